"""F02: a performance counter of its own process."""

import ctypes

from probe import attempt, say, syscall

event = ctypes.create_string_buffer(b'\1\0\0\0\x80\0\0\0', 128)
attempt('software', lambda: syscall(298, event, 0, -1, -1, 0))
say()
