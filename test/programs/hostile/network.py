"""Group I: out to the network, and in from it."""

import os
import socket
import struct
import time

from probe import answers, attempt, main, syscall

METADATA = ['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '198.51.100.1', '224.0.0.1', '255.255.255.255']
METADATA6 = ['fd00:ec2::254', 'fe80::1', '2001:db8::1']


def reach(family, kind, address):
    one = socket.socket(family, kind)
    one.settimeout(2)
    if kind == socket.SOCK_DGRAM:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        one.sendto(b'canary', address)
    else:
        one.connect(address)
    one.close()


def i01(_):
    began = time.monotonic()
    for host in METADATA:
        attempt(host, lambda: reach(socket.AF_INET, socket.SOCK_STREAM, (host, 80)))
        attempt('udp ' + host, lambda: reach(socket.AF_INET, socket.SOCK_DGRAM, (host, 53)))
    for host in METADATA6:
        attempt(host, lambda: reach(socket.AF_INET6, socket.SOCK_STREAM, (host, 80)))
    answers['seconds'] = time.monotonic() - began


def i02(given):
    """The host's listener, by every name of its own machine."""
    for host in ('127.0.0.1', '0.0.0.0', '127.1.2.3', given['address']):
        attempt(host, lambda: reach(socket.AF_INET, socket.SOCK_STREAM, (host, given['port'])))
        attempt('udp ' + host, lambda: reach(socket.AF_INET, socket.SOCK_DGRAM, (host, given['port'])))
    for host in ('::1', '::ffff:127.0.0.1'):
        attempt(host, lambda: reach(socket.AF_INET6, socket.SOCK_STREAM, (host, given['port'])))


def i05(_):
    for name, family, kind, protocol in (
        ('raw', 2, 3, 1),
        ('raw6', 10, 3, 58),
        ('ping', 2, 2, 1),
        ('packet', 17, 3, 768),
        ('netfilter', 16, 3, 12),
        ('xfrm', 16, 3, 6),
    ):
        attempt(name, lambda: socket.socket(family, kind, protocol).close())


def i06(given):
    paths = ['/run/docker.sock', '/run/containerd/containerd.sock', '/run/dbus/system_bus_socket', '/run/systemd/notify', given['unixPath']]
    for path in paths:
        attempt('canary' if path == given['unixPath'] else path, lambda: reach(socket.AF_UNIX, socket.SOCK_STREAM, path))
    attempt('abstract', lambda: reach(socket.AF_UNIX, socket.SOCK_STREAM, '\0' + given['abstract']))


def i18(_):
    """A server of its own, in its own network."""
    for family, host in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):

        def serve():
            one = socket.socket(family, socket.SOCK_STREAM)
            one.bind((host, 18080))
            one.listen()
            other = socket.socket(family, socket.SOCK_STREAM)
            other.settimeout(2)
            other.connect(('127.0.0.1' if family == socket.AF_INET else '::1', 18080))

        attempt(host, serve)


def i18_serve(_):
    one = socket.socket()
    one.bind(('0.0.0.0', 18081))
    one.listen()
    time.sleep(1.5)


def i19(_):
    """Netlink: a link made, one raised, a route added; and the old way by ioctl."""
    route = socket.socket(16, socket.SOCK_RAW, 0)

    def ask(kind, body):
        route.send(struct.pack('=IHHII', 16 + len(body), kind, 0x605, 1, 0) + body)
        code = struct.unpack('=i', route.recv(4096)[16:20])[0]
        if code:
            raise OSError(-code, os.strerror(-code))

    attempt('new link', lambda: ask(16, struct.pack('=BxHiII', 0, 0, 0, 0, 0) + b'\x10\0\x12\0\x0c\0\x01\0dummy\0\0\0'))
    attempt('link down', lambda: ask(16, struct.pack('=BxHiII', 0, 0, 1, 0, 1)))
    attempt('route', lambda: ask(24, struct.pack('=BBBBBBBBI', 2, 32, 0, 0, 254, 4, 0, 1, 0) + b'\x08\0\x01\0\x0a\0\0\1\x08\0\4\0\1\0\0\0'))
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    import fcntl

    attempt('address', lambda: fcntl.ioctl(one, 0x8916, b'lo'.ljust(16, b'\0') + struct.pack('=HHI', 2, 0, 0x0100000A) + bytes(16)))


def i24(_):
    attempt('ulp', lambda: socket.socket().setsockopt(6, 31, b'tls'))
    attempt('filter', lambda: socket.socketpair()[0].setsockopt(1, 26, bytes(16)))


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] == 'i' and name[1:3].isdigit()})
