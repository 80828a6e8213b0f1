"""A08: makes read-only mounts writable, by the old call and the new one."""

import ctypes

from probe import attempt, say, syscall

AT_FDCWD, MOUNT, MOUNT_SETATTR = -100, 165, 442
RDONLY, NOSUID, NODEV, REMOUNT, BIND, RECURSIVE = 1, 2, 4, 32, 4096, 0x8000


class Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in ('set', 'clear', 'propagation', 'userns')]


clear = Attributes(0, RDONLY, 0, 0)
for target in (b'/', b'/usr'):
    name = target.decode()
    attempt('remount ' + name, lambda: syscall(MOUNT, b'none', target, 0, REMOUNT | BIND | NOSUID | NODEV, 0))
    attempt('setattr ' + name, lambda: syscall(MOUNT_SETATTR, AT_FDCWD, target, RECURSIVE, ctypes.byref(clear), 32))
say()
