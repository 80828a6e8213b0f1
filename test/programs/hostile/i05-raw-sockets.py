"""I05: sockets below the transport."""

import socket

from probe import attempt, say

KINDS = {'raw': (2, 3, 1), 'raw6': (10, 3, 58), 'ping': (2, 2, 1), 'packet': (17, 3, 768), 'netfilter': (16, 3, 12), 'xfrm': (16, 3, 6)}
for name, (family, kind, protocol) in KINDS.items():
    attempt(name, lambda: socket.socket(family, kind, protocol).close())
say()
