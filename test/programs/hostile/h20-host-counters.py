"""H20: things of which a host has few: watches, terminals, randomness."""

import os

from probe import attempt, say, syscall

attempt('inotify', lambda: syscall(294, 0))
attempt('ptmx', lambda: os.open('/dev/ptmx', os.O_RDWR))
attempt('random', lambda: len(os.urandom(16 << 20)) and None)
say()
