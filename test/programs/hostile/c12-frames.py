"""C12: where in the machine's memory a page of ours lies."""

import ctypes
import os

from probe import attempt, say


def frame():
    with open('/proc/self/pagemap', 'rb') as file:
        here = ctypes.addressof(ctypes.create_string_buffer(8))
        file.seek(here // 4096 * 8)
        return int.from_bytes(file.read(8), 'little') & ((1 << 55) - 1)


attempt('frame', frame, keep=True)
for name in ('kpagecount', 'kpageflags', 'kpagecgroup'):
    attempt(name, lambda: os.stat('/proc/' + name))
say()
