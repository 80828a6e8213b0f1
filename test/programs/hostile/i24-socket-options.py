"""I24: a protocol above TCP and a packet filter, each attached by a socket option."""

import ctypes
import socket

from probe import attempt, say, syscall

SOL_TCP, TCP_ULP, SO_ATTACH_FILTER = 6, 31, 26
program = ctypes.create_string_buffer(b'\x06\0\0\0\0\0\0\0', 8)
words = (ctypes.c_ulong * 2)(1, ctypes.addressof(program))
attempt('ulp', lambda: socket.socket().setsockopt(SOL_TCP, TCP_ULP, b'tls'))
pair = socket.socketpair()
attempt('filter', lambda: syscall(54, pair[0].fileno(), socket.SOL_SOCKET, SO_ATTACH_FILTER, words, 16))
say()
