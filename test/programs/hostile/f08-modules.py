"""F08: kernel modules, asked for by name or by something that would need one."""

import socket

from probe import attempt, calls, say, syscall

calls(init_module=175, finit_module=313, delete_module=176)
attempt('file system by name', lambda: syscall(165, b'none', b'/tmp', b'bullpen-none', 0, 0))
attempt('protocol by number', lambda: socket.socket(2, 1, 250))
say()
