"""G02: a terminal taken for one's own."""

import fcntl
import os

from probe import attempt, given, say

TIOCSCTTY = 0x540E
if 'terminal' in given:
    os.dup2(os.openpty()[1], 0)
    os.setsid()
attempt('ctty', lambda: fcntl.ioctl(0, TIOCSCTTY, 0))
attempt('tty', lambda: os.open('/dev/tty', os.O_RDWR))
attempt('tcsetpgrp', lambda: os.tcsetpgrp(0, os.getpgrp()))
attempt('ptmx', lambda: os.open('/dev/ptmx', os.O_RDWR))
attempt('console', lambda: os.stat('/dev/console'))
say()
