"""H05: pipes as large as one may make them, full, in many processes."""

import fcntl
import os

from probe import given, keep_in_children

F_SETPIPE_SZ, MIB = 1031, 1 << 20


def fill():
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, F_SETPIPE_SZ, MIB)
    except OSError:
        pass
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b'x' * 65536)
    except BlockingIOError:
        return reader, writer


keep_in_children(given['processes'], given['each'], fill)
