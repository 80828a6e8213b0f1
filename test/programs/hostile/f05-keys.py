"""F05: the kernel's key rings."""

from probe import attempt, say, syscall

SESSION = -3
attempt('add_key', lambda: syscall(248, b'user', b'bullpen-hostile', b'x', 1, SESSION))
attempt('request_key', lambda: syscall(249, b'user', b'bullpen-hostile', 0, SESSION))
attempt('session ring', lambda: syscall(250, 0, SESSION, 1))
attempt('search', lambda: syscall(250, 10, SESSION, b'user', b'bullpen-hostile', 0))
say()
