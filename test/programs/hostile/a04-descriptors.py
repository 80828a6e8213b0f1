"""A04: every descriptor that may have come along, and the way up from it. `hold` is a directory to open first."""

import os

from probe import attempt, given, read, say

entered = []
if 'hold' in given:
    os.open(given['hold'], os.O_RDONLY | os.O_DIRECTORY)
for number in range(3, 1024):
    try:
        os.chdir('/proc/self/fd/%d' % number)
        for _ in range(20):
            os.chdir('..')
        entered.append([number, os.getcwd()])
        read('.' + given['worldReadable'])
    except OSError:
        pass
attempt('entered', lambda: entered, keep=True)
os.chdir('/')
attempt('cwd', os.getcwd, keep=True)
say()
