"""H03: the main program stays within its means and says that all is well; a child takes `megabytes`."""

import os

from probe import given

if os.fork() == 0:
    kept = [bytearray(1 << 20) for _ in range(given['megabytes'])]
    os._exit(len(kept) & 0)
os.wait()
