"""H07: a file in each writable place, as long as there is room, at most `bytes` each."""

import os

from probe import answers, given, say

for directory in given['places']:
    os.makedirs(directory, exist_ok=True)
    written, errno = 0, 0
    with open(directory + '/x', 'wb', 0) as file:
        try:
            while written < given['bytes']:
                written += file.write(b'x' * 4096)
        except OSError as error:
            errno = error.errno
    answers[directory] = [written, errno]
say()
