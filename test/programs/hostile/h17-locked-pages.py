"""H17: pages that can't be given back, and huge ones."""

import ctypes
import mmap
import os

from probe import attempt, say, syscall

PRIVATE, LOCKED, HUGE, HUGE_FILE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 0x2000, 0x40000, 4
MIB = 1 << 20
attempt('mlockall', lambda: syscall(151, 3))
here = mmap.mmap(-1, 4096)
attempt('mlock', lambda: syscall(149, ctypes.addressof(ctypes.c_char.from_buffer(here)), 4096))
attempt('locked', lambda: mmap.mmap(-1, 4096, flags=PRIVATE | LOCKED).close())
attempt('huge', lambda: mmap.mmap(-1, 2 * MIB, flags=PRIVATE | HUGE).close())
attempt('huge memfd', lambda: os.ftruncate(syscall(319, b'x', HUGE_FILE), 2 * MIB))
say()
