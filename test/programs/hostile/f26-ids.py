"""F26: other users, other groups, more capabilities."""

import ctypes

from probe import attempt, in_child, say, syscall

CALLS = {'setuid': 105, 'setgid': 106, 'setreuid': 113, 'setregid': 114, 'setresuid': 117, 'setresgid': 119}
for name, number in CALLS.items():
    for value in (0, 999, 1001, 65534):
        attempt('%s %d' % (name, value), lambda: in_child(lambda: syscall(number, value, value, value)))
attempt('setgroups', lambda: in_child(lambda: syscall(116, 1, (ctypes.c_uint * 1)(0))))
header = (ctypes.c_uint * 2)(0x20080522, 0)
attempt('capset', lambda: in_child(lambda: syscall(126, header, (ctypes.c_uint * 6)(1, 1, 1, 0, 0, 0))))
attempt('ambient', lambda: in_child(lambda: syscall(157, 47, 2, 21, 0, 0)))
say()
