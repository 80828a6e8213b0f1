"""F19: pages of shared files in pipes, and from there elsewhere."""

import ctypes
import os
import shutil
import socket

from probe import attempt, say, syscall

word = ctypes.create_string_buffer(b'bullpen', 8)
file = os.open('/usr/bin/env', os.O_RDONLY)
reader, writer = os.pipe()
other = os.pipe()
attempt('splice', lambda: syscall(275, file, 0, writer, 0, 100, 0))
attempt('tee', lambda: syscall(276, reader, other[1], 100, 0))
attempt('vmsplice', lambda: syscall(278, writer, (ctypes.c_long * 2)(ctypes.addressof(word), 8), 1, 0))
one, two = socket.socketpair()
attempt('sendfile', lambda: os.sendfile(one.fileno(), file, 0, 100))
attempt('python copies', lambda: shutil.copyfile('/usr/bin/env', '/tmp/env'))
say()
