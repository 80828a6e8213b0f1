"""D04: every readable byte of our own memory: what the worker holds must not be in it. What to look for comes on stdin, in
halves, so that it is nowhere in us as a whole."""

import os
import re

from probe import answers, say

halves = [word.encode() for word in os.read(0, 4096).decode().split()]
found = 0
with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
    for line in maps.read().splitlines():
        start, end, mode = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\S+)', line).groups()
        if mode[0] != 'r' or 'vvar' in line or 'vsyscall' in line:
            continue
        try:
            memory.seek(int(start, 16))
            block = memory.read(int(end, 16) - int(start, 16))
        except (OSError, ValueError):
            continue
        at = block.find(halves[0])
        while at >= 0:
            found += block[at + len(halves[0]) :].startswith(halves[1])
            at = block.find(halves[0], at + 1)
answers['found'] = found
say()
