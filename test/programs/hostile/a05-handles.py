"""A05: files by their handles, one of them guessed: inode 2, the root directory of an ext4."""

import ctypes
import os

from probe import attempt, say, syscall

AT_FDCWD, NAME_TO_HANDLE_AT, OPEN_BY_HANDLE_AT = -100, 303, 304


class Handle(ctypes.Structure):
    _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('data', ctypes.c_ubyte * 128)]


handle, mount = Handle(128, 0), ctypes.c_int()
attempt('name', lambda: syscall(NAME_TO_HANDLE_AT, AT_FDCWD, b'/usr', ctypes.byref(handle), ctypes.byref(mount), 0))
if handle.type == 0:
    handle = Handle(8, 1, (ctypes.c_ubyte * 128)(2))
usr = os.open('/usr', os.O_RDONLY)
attempt('open', lambda: syscall(OPEN_BY_HANDLE_AT, usr, ctypes.byref(handle), os.O_RDONLY))
say()
