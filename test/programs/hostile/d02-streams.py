"""D02: what the standard streams are. With `terminal`, stdin is one, and stderr a socket."""

import os
import socket
import stat

from probe import answers, attempt, given, say

if 'terminal' in given:
    os.dup2(os.openpty()[1], 0)
    one, two = socket.socketpair()
    os.dup2(one.fileno(), 2)
for number in (0, 1, 2):
    found = os.fstat(number)
    answers['kind %d' % number] = 'pipe' if stat.S_ISFIFO(found.st_mode) else oct(found.st_mode)
    answers['tty %d' % number] = os.isatty(number)
    attempt('socket %d' % number, lambda: socket.socket(fileno=os.dup(number)).getpeername())
say()
