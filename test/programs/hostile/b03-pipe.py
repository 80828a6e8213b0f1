"""B03: a pipe that nobody writes to. With `follow`, a reader that waits for it until its alarm rings."""

import os
import signal

from probe import attempt, given, in_child, say

os.mkfifo('fifo')
if 'follow' in given:
    attempt('read', lambda: in_child(lambda: (signal.alarm(1), open('fifo'))))
say()
