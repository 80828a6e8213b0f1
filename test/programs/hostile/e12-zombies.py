"""E12: children that end and are never waited for, as many as can be, at most `most`."""

import os

from probe import answers, given, say

made = 0
try:
    while made < given['most']:
        if os.fork() == 0:
            os._exit(0)
        made += 1
except BlockingIOError:
    pass
answers['made'] = made
say()
