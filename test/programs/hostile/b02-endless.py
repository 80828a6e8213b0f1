"""B02: links to devices without an end. With `follow`, what a reader that follows them gets."""

import os

from probe import attempt, given, say

for name in ('zero', 'urandom'):
    os.symlink('/dev/' + name, name)
    if 'follow' in given:
        with open(name, 'rb') as file:
            attempt(name, lambda: len(file.read(64 << 20)), keep=True)
attempt('device', lambda: os.mknod('device', 0o020666, os.makedev(1, 5)))
say()
