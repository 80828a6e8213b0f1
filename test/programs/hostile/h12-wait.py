"""H12: waits for what never comes: somebody at a pipe, a descriptor out of none, a signal, a lock."""

import fcntl
import os
import select
import signal

from probe import given


def lock():
    file = open('lock', 'w')
    fcntl.flock(file, fcntl.LOCK_EX)
    if os.fork() == 0:
        signal.pause()
    fcntl.flock(open('lock'), fcntl.LOCK_EX)


WAYS = {
    'fifo': lambda: (os.mkfifo('fifo'), open('fifo')),
    'select': lambda: select.select([], [], []),
    'pause': signal.pause,
    'lock': lock,
}
WAYS[given['way']]()
