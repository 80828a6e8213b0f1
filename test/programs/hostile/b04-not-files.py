"""B04: a socket, a directory, and one file under two names; with `steal`, a second name of somebody else's file."""

import os
import socket

from probe import attempt, given, read, say, write

socket.socket(socket.AF_UNIX).bind('socket')
os.mkdir('folder')
write('one', 'x')
os.link('one', 'two')
if 'steal' in given:
    os.link(given['steal'], 'stolen')
    attempt('stolen', lambda: read('stolen').decode(), keep=True)
say()
