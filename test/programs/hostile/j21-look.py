"""J21: whether anybody holds a lock."""

import fcntl
import os

from probe import attempt, given, say

for path in given['paths']:
    attempt(path, lambda: fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))
say()
