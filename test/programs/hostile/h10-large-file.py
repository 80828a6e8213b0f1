"""H10: one file of a byte more than `bytes`."""

import os

from probe import attempt, given, say

os.remove('probe.py')
with open('x', 'wb', 0) as file:
    attempt('seek', lambda: file.seek(given['bytes']) and None)
    attempt('write', lambda: file.write(b'x') and None)
attempt('truncate', lambda: os.truncate('x', given['bytes'] + 1))
say()
