"""B06: swaps what will be collected, from many processes, until it is killed. With `rounds`, plays a collector that looks
before it opens, while all that goes on."""

import os
import stat
import time

from probe import answers, given, read, say, write

os.mkdir('d')
write('d/file', 'mine')


def swap(spare):
    """A link to elsewhere, a second name, a file: in turn, each put in place whole."""
    makers = (lambda: os.symlink(given['worldReadable'], spare), lambda: os.link('d/file', spare), lambda: write(spare, 'mine'))
    while True:
        for make in makers:
            try:
                make()
                os.rename(spare, 'out')
            except OSError:
                pass


def look_then_open(rounds):
    """The round in which it read what it had not looked at, or None."""
    for number in range(rounds):
        try:
            if stat.S_ISREG(os.lstat('out').st_mode) and read('out') != b'mine':
                return number
        except OSError:
            pass


for number in range(8):
    if os.fork() == 0:
        swap('spare%d' % number)
if 'rounds' in given:
    answers['lost'] = look_then_open(given['rounds']) is not None
    say()
else:
    time.sleep(0.3)
