"""F01: every command of bpf()."""

import ctypes

from probe import attempt, say, syscall

attributes = ctypes.create_string_buffer(256)
for command in range(0, 40):
    attempt('bpf %d' % command, lambda: syscall(321, command, attributes, 128))
say()
