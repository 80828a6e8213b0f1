"""A02: looks for the canary below every root and working directory that /proc offers."""

import glob
import os

from probe import attempt, given, read, say

found = []
for base in ['/proc/1/root', '/proc/1/cwd', '/proc/self/root', *glob.glob('/proc/[0-9]*/root'), *glob.glob('/proc/[0-9]*/cwd')]:
    try:
        read(base + given['worldReadable'])
        found.append(base)
    except OSError:
        pass
attempt('canary', lambda: len(found) > 0, keep=True)
attempt('init', lambda: os.listdir('/proc/1/root'))
say()
