"""H06: what the kernel keeps for a process: timers, waiting signals, descriptors of events, keys, queues. At most 3,000 of each."""

import ctypes
import os
import select
import signal

from probe import answers, attempt, say, syscall

MOST = 3_000
kept = []


def until_refused(name, make):
    """How many, and what was said to the next."""
    made = 0

    def all_of_them():
        nonlocal made
        while made < MOST:
            kept.append(make())
            made += 1

    answers[name] = [made, attempt(name, all_of_them)]
    answers[name][0] = made


until_refused('timers', lambda: syscall(222, 0, 0, ctypes.byref(ctypes.c_int())))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
information = ctypes.create_string_buffer(128)
ctypes.memmove(information, (ctypes.c_int * 3)(int(signal.SIGRTMIN), 0, -1), 12)
until_refused('signals', lambda: syscall(129, os.getpid(), int(signal.SIGRTMIN), information))
until_refused('epoll', lambda: select.epoll())
kept.clear()
until_refused('timerfd', lambda: os.fdopen(syscall(283, 1, 0), 'rb', 0))
kept.clear()
until_refused('eventfd', lambda: os.fdopen(syscall(290, 0, 0), 'rb', 0))
kept.clear()
until_refused('keys', lambda: syscall(248, b'user', b'bullpen-%d' % len(kept), b'x', 1, -2))
until_refused('queues', lambda: syscall(240, b'bullpen-%d' % len(kept), 0o102, 0o600, 0))
say()
