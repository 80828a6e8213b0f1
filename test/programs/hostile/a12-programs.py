"""A12: the programs behind processes, by /proc: read, and held open until they can be written."""

import os
import signal
import time

from probe import attempt, given, read, say

for pid in given.get('pids', [1, 'self']):
    path = '/proc/%s/exe' % pid
    attempt('write %s' % pid, lambda: os.close(os.open(path, os.O_WRONLY)))
    attempt('read %s' % pid, lambda: read(path, 4))


def overwrite():
    """Held open while it runs, written to once it has ended."""
    held = os.open('/proc/%s/exe' % given['ends'], os.O_RDONLY)
    os.kill(given['ends'], signal.SIGKILL)
    for left in range(100):
        time.sleep(0.02)
        try:
            return os.write(os.open('/proc/self/fd/%d' % held, os.O_WRONLY), b'hostile')
        except OSError:
            if left == 99:
                raise


if 'ends' in given:
    attempt('overwrite', overwrite)
say()
