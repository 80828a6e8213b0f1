"""B23 to B26: more than may be taken, in number, bytes, depth and length of names, beside files that are fine."""

import os
import socket

from probe import given, say, write


def descend(depth):
    """A directory at that depth with a file in it, made step by step: no path is that long."""
    top = os.open('.', os.O_RDONLY)
    for _ in range(depth):
        os.makedirs('d', exist_ok=True)
        os.chdir('d')
    write('file', 'x')
    os.fchdir(top)


def lengthen(name, depth):
    top = os.open('.', os.O_RDONLY)
    for _ in range(depth):
        os.makedirs(name, exist_ok=True)
        os.chdir(name)
    write('file', 'x')
    os.fchdir(top)


for number in range(given.get('files', 0)):
    write('f%03d' % number, 'x')
for name, size in given.get('sizes', {}).items():
    write(name, 'x' * size)
for depth in given.get('depths', []):
    descend(depth)
for name, depth in given.get('names', []):
    lengthen(name, depth)
if 'bad' in given:
    os.symlink('/etc/passwd', 'b-link')
    os.mkfifo('c-pipe')
    socket.socket(socket.AF_UNIX).bind('d-socket')
    write('e-one', 'x')
    os.link('e-one', 'e-two')
    write('f\x01', 'x')
    with open('g-sparse', 'wb') as file:
        file.truncate(50 << 20)
    os.mkdir('h-shut')
    write('a-good', 'good')
    write('z-good', 'good')
    write('h-shut/file', 'x')
    os.chmod('h-shut', 0)
say()
