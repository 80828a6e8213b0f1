"""H05: anonymous memory that children would share."""

import mmap

from probe import given

size = given['megabytes'] << 20
here = mmap.mmap(-1, size)
for at in range(0, size, 4096):
    here[at] = 1
