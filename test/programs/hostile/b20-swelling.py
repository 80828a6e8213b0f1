"""B20, B22: bytes that take six times as much as text in JSON, in files and, with `streams`, on both streams."""

import os

from probe import given, write

block = b'\x01' * (given['megabytes'] << 20)
os.mkdir('out')
for number in range(given['files']):
    write('out/%d' % number, block.decode())
for stream in (1, 2) if given.get('streams') else ():
    left = memoryview(block)
    while left:
        left = left[os.write(stream, left) :]
