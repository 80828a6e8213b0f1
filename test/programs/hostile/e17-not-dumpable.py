"""E17: not dumpable any more."""

import time

from probe import libc

SET_DUMPABLE = 4
libc.prctl(SET_DUMPABLE, 0, 0, 0, 0)
time.sleep(0.05)
