"""H01: processes that make processes; at most `most` in all, where that is said."""

import os
import signal

from probe import answers, given, say

made = []
while 'most' not in given or len(made) < given['most']:
    try:
        pid = os.fork()
    except OSError:
        if 'most' in given:
            raise
        continue
    if pid == 0 and 'most' in given:
        signal.pause()
    made.append(pid)
for pid in made:
    os.kill(pid, signal.SIGKILL)
answers['made'] = len(made)
say()
