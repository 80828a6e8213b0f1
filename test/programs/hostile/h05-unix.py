"""H05: what waits in sockets that nobody reads."""

import errno
import socket

from probe import given, keep_in_children


def fill():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    one.setblocking(False)
    try:
        while True:
            one.send(b'x' * 40_960)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
            raise
    return one, two


keep_in_children(given['processes'], given['each'], fill)
