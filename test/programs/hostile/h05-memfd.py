"""H05: files that are nowhere but in memory."""

import os

from probe import given

file = os.memfd_create('x')
for _ in range(given['megabytes']):
    os.write(file, b'x' * (1 << 20))
