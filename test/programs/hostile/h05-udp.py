"""H05: datagrams that nobody reads, in a network of the job's own."""

import socket

from probe import given, keep_in_children

sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def fill():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(('127.0.0.1', 0))
    for _ in range(100):
        sender.sendto(b'x' * 1400, one.getsockname())
    return one


keep_in_children(given['processes'], given['each'], fill)
