"""J21: locks files that all jobs share: a lamp that one lights and another sees."""

import fcntl
import os
import signal

from probe import given

held = [os.open(path, os.O_RDONLY) for path in given['paths']]
for file in held:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
os.write(1, b'held')
signal.pause()
