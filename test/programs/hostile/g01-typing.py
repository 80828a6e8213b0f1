"""G01: words typed for whoever sits at the terminal."""

import ctypes
import fcntl
import os

from probe import attempt, given, say, syscall

TIOCSCTTY, TIOCSTI = 0x540E, 0x5412
if 'terminal' in given:
    slave = os.openpty()[1]
    os.setsid()
    fcntl.ioctl(slave, TIOCSCTTY, 0)
    for fd in (0, 2):
        os.dup2(slave, fd)
for fd in (0, 1, 2):
    for bits, high in (('', 0), (' high', 1 << 32), (' top', 1 << 63)):
        request = ctypes.c_ulong(TIOCSTI | high)
        attempt('%d%s' % (fd, bits), lambda: syscall(16, fd, request, ctypes.create_string_buffer(b'x')))
say()
