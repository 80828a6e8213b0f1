"""F24: control of terminals, consoles, disks, networks and file systems, by a file or a terminal."""

import ctypes
import os

from probe import attempt, given, say, syscall

NUMBERS = {'TIOCLINUX': 0x541C, 'TIOCSETD': 0x5423, 'TIOCCONS': 0x541D, 'KDSKBENT': 0x4B47, 'FIFREEZE': 0xC0045877, 'FICLONE': 0x40049409}
NUMBERS |= {'BLKGETSIZE': 0x1260, 'SIOCGIFCONF': 0x8912, 'FS_IOC_SETFLAGS': 0x40086602, 'TIOCSTI': 0x5412, 'FIBMAP': 1}

file = os.openpty()[1] if 'terminal' in given else os.open('probe.py', os.O_RDONLY)
for name, number in NUMBERS.items():
    for bits, high in (('', 0), (' high', 1 << 32)):
        attempt(name + bits, lambda: syscall(16, file, number | high, ctypes.create_string_buffer(256)))
say()
