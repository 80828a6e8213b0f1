"""Touches every canary: run on the bare host, to show that each of them is noticed."""

import ctypes
import os
import signal
import socket

from probe import attempt, given, say, syscall, write


def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        one.connect(address)
        if kind == socket.SOCK_DGRAM:
            one.send(b'x')


def update_key():
    key = syscall(250, 10, ctypes.c_long(-3), b'user', given['keyName'].encode(), 0)
    syscall(250, 2, key, b'other', 5)


attempt('rootOnly', lambda: write(given['rootOnly'], 'other'))
attempt('worldReadable', lambda: os.chown(given['worldReadable'], 65534, -1))
attempt('tcp', lambda: connect(socket.AF_INET, ('127.0.0.1', given['port'])))
attempt('udp', lambda: connect(socket.AF_INET, ('127.0.0.1', given['port']), socket.SOCK_DGRAM))
attempt('unix', lambda: connect(socket.AF_UNIX, given['unixPath']))
attempt('abstract', lambda: connect(socket.AF_UNIX, '\0' + given['abstract']))
attempt('dns', lambda: connect(socket.AF_INET, (given['dns'], 53), socket.SOCK_DGRAM))
attempt('redis', lambda: connect(socket.AF_INET, ('127.0.0.1', given['redisPort'])))
attempt('vsock', lambda: connect(socket.AF_VSOCK, (1, given['vsockPort'])))
attempt('victim', lambda: os.kill(given['victim'], signal.SIGSTOP))
attempt('key', update_key)
attempt('neighbour', lambda: write('/proc/%d/root/work/bullpen-canary' % given['neighbour'], 'other'))
attempt('neighbour stopped', lambda: os.kill(given['neighbour'], signal.SIGSTOP))
attempt('environment', lambda: write('found', os.environ['BULLPEN_HOSTILE_CANARY']))
say()
