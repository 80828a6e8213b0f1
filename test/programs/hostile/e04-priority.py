"""E04: a better place in the queue for a CPU or a disk, and a CPU that there isn't."""

import ctypes
import os

from probe import attempt, in_child, say, syscall

SCHED_SETATTR, IOPRIO_SET, DEADLINE, REALTIME_CLASS = 314, 251, 6, 1 << 13


class Attributes(ctypes.Structure):
    _fields_ = [('size', ctypes.c_uint), ('policy', ctypes.c_uint), ('flags', ctypes.c_ulonglong), ('nice', ctypes.c_int)]
    _fields_ += [('priority', ctypes.c_uint)] + [(name, ctypes.c_ulonglong) for name in ('run', 'deadline', 'period')]


attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
attempt('fifo', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
deadline = Attributes(48, DEADLINE, 0, 0, 0, 1_000_000, 10_000_000, 10_000_000)
attempt('deadline', lambda: in_child(lambda: syscall(SCHED_SETATTR, 0, ctypes.byref(deadline), 0)))
attempt('ioprio', lambda: syscall(IOPRIO_SET, 1, 0, REALTIME_CLASS))
attempt('cpu', lambda: os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) + 500}))
say()
