"""J05: what two jobs could meet at. Looks for what the other leaves, then leaves its own for a while."""

import os
import socket
import time

from probe import attempt, given, read, say, write

mine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
attempt('bind', lambda: mine.bind('\0' + given['token']))
attempt('connect', lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect('\0' + given['peer']))
attempt('file', lambda: read('/tmp/' + given['peer']))
attempt('port', lambda: socket.create_connection(('127.0.0.1', given['peerPort']), 2).close())
kept = []
attempt('listen', lambda: kept.append(socket.create_server(('127.0.0.1', given['port']))))
write('/tmp/' + given['token'], 'x')
time.sleep(given['seconds'])
os.remove('/tmp/' + given['token'])
say()
