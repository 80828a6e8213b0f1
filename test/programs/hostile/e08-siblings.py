"""E08: fifty siblings, which only our parent can wait for. With `parent`, that is us: how many strangers it then meets."""

import os
import signal

from probe import answers, attempt, given, libc, say, syscall

CLONE, CLONE_PARENT, SET_CHILD_SUBREAPER = 56, 0x8000, 36


def make_siblings():
    for _ in range(50):
        if syscall(CLONE, CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0) == 0:
            os._exit(9)


def wait_for_all():
    met = 0
    try:
        while os.waitpid(-1, 0):
            met += 1
    except ChildProcessError:
        return met


if 'parent' in given:
    if os.fork() == 0:
        make_siblings()
        os._exit(0)
    answers['met'] = wait_for_all()
else:
    attempt('subreaper', lambda: libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    make_siblings()
    attempt('waited', lambda: os.waitpid(-1, os.WNOHANG))
say()
