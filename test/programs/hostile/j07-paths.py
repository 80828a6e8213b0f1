"""J07: directories in which other jobs' files or names might be."""

import os

from probe import attempt, given, say

for path in given['paths']:
    attempt(path, lambda: os.listdir(path))
say()
