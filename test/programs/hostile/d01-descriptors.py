"""D01: which descriptors are open, after `hold` of our own."""

import fcntl
import os

from probe import answers, given, say

kept = [os.open('/dev/null', os.O_RDONLY) for _ in range(given.get('hold', 0))]


def is_open(number):
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
        return True
    except OSError:
        return False


answers['open'] = [number for number in range(0, 65536) if is_open(number)]
answers['listed'] = sorted(number for number in map(int, os.listdir('/proc/self/fd')) if is_open(number))
say()
