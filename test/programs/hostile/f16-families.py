"""F16: sockets of every family, type and protocol, alone and in pairs."""

import ctypes
import os

from probe import answers, say, syscall

SOCKET, PAIR, NETLINK = 41, 53, 16
made = []


def make(call, family, kind, protocol):
    pair = (ctypes.c_int * 2)()
    try:
        fd = syscall(call, family, kind, protocol, pair if call == PAIR else 0)
    except OSError as error:
        answers['errnos'].add(error.errno)
        return
    for one in pair if call == PAIR else [fd]:
        os.close(one)
    made.append('%s %d %d %d' % ('pair' if call == PAIR else 'socket', family, kind, protocol))


answers['errnos'] = set()
for family in range(0, 47):
    for kind in (1, 2, 3, 4, 5, 6, 10):
        for protocol in range(23) if family == NETLINK else [0, 1, 2, 3, 5, 6, 7, 17, 58, 132, 255]:
            for call in (SOCKET, PAIR):
                make(call, family, kind, protocol)
answers['errnos'] = sorted(answers['errnos'])
answers['families'] = sorted({int(one.split()[1]) for one in made})
answers['made'] = made
say()
