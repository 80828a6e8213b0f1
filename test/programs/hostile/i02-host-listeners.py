"""I02: the host's listener, by every name that a machine has for itself."""

import socket

from probe import attempt, given, say


def reach(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        if kind == socket.SOCK_DGRAM:
            one.sendto(b'canary', address)
        else:
            one.connect(address)


for port in ('port', 'redisPort'):
    for host in ('127.0.0.1', '0.0.0.0', '127.1.2.3', given['address']):
        attempt('%s %s' % (port, host), lambda: reach(socket.AF_INET, socket.SOCK_STREAM, (host, given[port])))
        attempt('udp %s %s' % (port, host), lambda: reach(socket.AF_INET, socket.SOCK_DGRAM, (host, given[port])))
    for host in ('::1', '::ffff:127.0.0.1'):
        attempt('%s %s' % (port, host), lambda: reach(socket.AF_INET6, socket.SOCK_STREAM, (host, given[port])))
say()
