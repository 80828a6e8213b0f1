"""E06: ends at once with status 3, while its children go on using CPUs."""

import os

from probe import answers, given, say

children = []
for _ in range(given['children']):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for stream in (0, 1, 2):
            os.dup2(os.open('/dev/null', os.O_RDWR), stream)
        while True:
            pass
    children.append(pid)
answers['children'] = children
say()
os._exit(3)
