"""I19: its own network changed: a link made, one taken down, a route, an address."""

import fcntl
import os
import socket
import struct

from probe import attempt, say

SIOCSIFADDR, LO = 0x8916, 1
route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)


def ask(kind, body):
    route.send(struct.pack('=IHHII', 16 + len(body), kind, 0x605, 1, 0) + body)
    code = struct.unpack('=i', route.recv(4096)[16:20])[0]
    if code:
        raise OSError(-code, os.strerror(-code))


attempt('new link', lambda: ask(16, struct.pack('=BxHiII', 0, 0, 0, 0, 0) + b'\x10\0\x12\0\x0c\0\x01\0dummy\0\0\0'))
attempt('link down', lambda: ask(16, struct.pack('=BxHiII', 0, 0, LO, 0, 1)))
attempt('route', lambda: ask(24, struct.pack('=BBBBBBBBI', 2, 32, 0, 0, 254, 4, 0, 1, 0) + b'\x08\0\x01\0\x0a\0\0\1\x08\0\4\0\1\0\0\0'))
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
address = b'lo'.ljust(16, b'\0') + struct.pack('=HHI', socket.AF_INET, 0, 0x0100000A) + bytes(16)
attempt('address', lambda: fcntl.ioctl(one, SIOCSIFADDR, address))
say()
