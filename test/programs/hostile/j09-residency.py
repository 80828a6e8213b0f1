"""J09: which pages of a file that all share lie in memory: asked for, not timed."""

import ctypes
import mmap
import os

from probe import attempt, say, syscall

file = os.open('/usr/bin/env', os.O_RDONLY)
here = mmap.mmap(file, 4096, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
at = ctypes.addressof(ctypes.c_char.from_buffer(here))
attempt('mincore', lambda: syscall(27, at, 4096, ctypes.create_string_buffer(1)))
attempt('cachestat', lambda: syscall(451, file, (ctypes.c_ulong * 2)(0, 4096), (ctypes.c_ulong * 5)(), 0))
say()
