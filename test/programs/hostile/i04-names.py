"""I04: names looked up, and a name server asked directly. With `resolver`, that server is the one of /etc/resolv.conf, in a
mount namespace of our own."""

import errno
import socket

from probe import answers, attempt, given, say, syscall, write

MOUNT, UNSHARE = 165, 272
NEWNS, BIND, PRIVATE = 0x20000, 4096, 0x44000
# A question for the address of `canary.example`.
QUERY = b'\x12\x34\x01\x00\x00\x01' + bytes(6) + b'\x06canary\x07example\x00\x00\x01\x00\x01'

if 'resolver' in given:
    syscall(UNSHARE, NEWNS)
    syscall(MOUNT, b'none', b'/', 0, PRIVATE, 0)
    write('resolv.conf', 'nameserver %s\noptions timeout:1 attempts:1\n' % given['dns'])
    syscall(MOUNT, b'resolv.conf', b'/etc/resolv.conf', 0, BIND, 0)


def ask(kind, port):
    with socket.socket(socket.AF_INET, kind) as one:
        one.settimeout(1)
        one.connect((given['dns'], port))
        one.send(QUERY)


for name in ('canary.example', 'metadata.google.internal'):
    try:
        socket.getaddrinfo(name, 80)
        answers[name] = 'ok'
    except socket.gaierror as error:
        answers[name] = error.errno
    except OSError as error:
        answers[name] = errno.errorcode[error.errno]
attempt('udp', lambda: ask(socket.SOCK_DGRAM, 53))
attempt('tcp', lambda: ask(socket.SOCK_STREAM, 53))
attempt('tls', lambda: ask(socket.SOCK_STREAM, 853))
say()
