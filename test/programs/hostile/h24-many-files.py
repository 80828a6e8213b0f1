"""H24: a workspace that takes the kernel long to throw away."""

import os

for directory in range(300):
    os.mkdir('d%d' % directory)
    for number in range(1000):
        os.mknod('d%d/%d' % (directory, number))
