"""A18: the mount calls by descriptor, from a detached mount to one in place."""

import ctypes
import os

from probe import answers, attempt, say, syscall

AT_FDCWD, EMPTY_PATH = -100, 4
PIVOT_ROOT, OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT = 155, 428, 429, 430, 431, 432
held = {}


def hold(name, action):
    held[name] = -1
    attempt(name, lambda: held.update({name: action()}))


os.makedirs('place', exist_ok=True)
hold('fsopen', lambda: syscall(FSOPEN, b'tmpfs', 0))
attempt('fsconfig', lambda: syscall(FSCONFIG, held['fsopen'], 6, 0, 0, 0))
hold('fsmount', lambda: syscall(FSMOUNT, held['fsopen'], 0, 0))
attempt('move_mount', lambda: syscall(MOVE_MOUNT, held['fsmount'], b'', AT_FDCWD, b'place', EMPTY_PATH))
hold('open_tree', lambda: syscall(OPEN_TREE, AT_FDCWD, b'/', 1))
attempt('pivot_root', lambda: (os.makedirs('place/old', exist_ok=True), syscall(PIVOT_ROOT, b'place', b'place/old')))
say()
