"""E03: looks into a process: its memory, descriptors and state."""

import ctypes
import os
import signal
import time

from probe import attempt, in_child, say, syscall

PTRACE, READV, WRITEV, KCMP, MADVISE, PIDFD_OPEN, GETFD = 101, 310, 311, 312, 440, 434, 438
SEIZE, TRACEME = 0x4206, 0
buffer = ctypes.create_string_buffer(64)


class Vector(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]


pid = os.fork()
if pid == 0:
    time.sleep(60)
    os._exit(0)
vector = ctypes.byref(Vector(ctypes.addressof(buffer), 8))
attempt('readv', lambda: syscall(READV, pid, vector, 1, vector, 1, 0))
attempt('writev', lambda: syscall(WRITEV, pid, vector, 1, vector, 1, 0))
attempt('kcmp', lambda: syscall(KCMP, pid, pid, 0, 0, 0))
attempt('seize', lambda: syscall(PTRACE, SEIZE, pid, 0, 0))
attempt('traceme', lambda: in_child(lambda: syscall(PTRACE, TRACEME, 0, 0, 0)))
try:
    held = syscall(PIDFD_OPEN, pid, 0)
except OSError:
    held = 0
attempt('getfd', lambda: syscall(GETFD, held, 0, 0))
attempt('madvise', lambda: syscall(MADVISE, held, vector, 1, 20, 0))
attempt('mem', lambda: os.close(os.open('/proc/%d/mem' % pid, os.O_WRONLY)))
os.kill(pid, signal.SIGKILL)
say()
