"""D07: the session keyring that came along, and the key in it."""

import ctypes

from probe import attempt, given, say, syscall

ADD_KEY, REQUEST_KEY, KEYCTL = 248, 249, 250
ID, READ, SEARCH = 0, 11, 10
SESSION, PROCESS = ctypes.c_long(-3), ctypes.c_long(-2)
buffer = ctypes.create_string_buffer(64)
name = given['keyName'].encode()


def read_key():
    key = syscall(KEYCTL, SEARCH, SESSION, b'user', name, 0)
    syscall(KEYCTL, READ, key, buffer, 64)
    return buffer.value.decode()


attempt('session', lambda: syscall(KEYCTL, ID, SESSION, 0, 0, 0))
attempt('search', read_key, keep=True)
attempt('add', lambda: syscall(ADD_KEY, b'user', b'x', b'x', 1, PROCESS))
attempt('request', lambda: syscall(REQUEST_KEY, b'user', name, 0, 0))
say()
