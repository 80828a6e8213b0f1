"""H05: full pipes that are nobody's any more: sent through a socket, closed, never received."""

import array
import os
import socket

from probe import given, keep_in_children

one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
one.setblocking(False)


def fill():
    reader, writer = os.pipe()
    os.write(writer, b'x' * 65536)
    try:
        one.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [reader, writer]))])
    finally:
        os.close(reader)
        os.close(writer)
    return b''


def fill_many():
    """A socket of its own for each lot: a queue takes ten messages."""
    global one
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one = here
    for _ in range(8):
        fill()
    return here, there


keep_in_children(given['processes'], given['each'], fill_many)
