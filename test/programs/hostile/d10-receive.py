"""D10: a descriptor by way of stdin. With `socket`, stdin is one, and something waits in it."""

import os
import socket

from probe import attempt, given, say

if 'socket' in given:
    one, other = socket.socketpair()
    socket.send_fds(one, [b'x'], [1])
    os.dup2(other.fileno(), 0)
attempt('receive', lambda: socket.socket(fileno=os.dup(0)).recvmsg(1, 100))
say()
