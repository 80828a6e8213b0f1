"""A01: files and directories of the host, by their names."""

import os

from probe import attempt, given, read, say

for name, path in given.items():
    attempt(name, lambda: os.stat(path) and (os.listdir if os.path.isdir(path) else read)(path))
say()
