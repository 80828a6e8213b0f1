"""A06: device nodes of its own: a disk, and the memory of the machine."""

import os

from probe import attempt, say

for name, kind, device in (('block', 0o060600, (8, 0)), ('char', 0o020600, (1, 1))):
    attempt(name, lambda: os.mknod(name, kind, os.makedev(*device)))
    attempt('open ' + name, lambda: os.close(os.open(name, os.O_RDONLY)))
say()
