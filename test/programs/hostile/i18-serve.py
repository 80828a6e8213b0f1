"""I18: a server at `port` of every address, until it is killed. Says when it listens."""

import os
import signal
import socket

from probe import given

one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.bind(('0.0.0.0', given['port']))
one.listen()
os.write(1, b'listening')
signal.pause()
