"""E02: signals and limits for a process that we depend on: our parent, or `pid`."""

import ctypes
import os
import signal

from probe import attempt, given, say, syscall

PRLIMIT64 = 302
pid = given.get('pid', 1)
for number in range(1, 65):
    # Without those that nobody can be deaf to.
    if pid == 1 or number not in given['spare']:
        attempt('signal %d' % number, lambda: os.kill(pid, number))
attempt('stop', lambda: os.kill(os.getppid() if pid == 1 else pid, signal.SIGSTOP))
attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
attempt('affinity', lambda: os.sched_setaffinity(pid, {0}))
attempt('prlimit', lambda: syscall(PRLIMIT64, pid, 0, ctypes.create_string_buffer(16), 0))
say()
