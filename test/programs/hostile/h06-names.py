"""H06: names of what isn't there, and directories: what the kernel remembers of either. At most `most` directories."""

import os

from probe import answers, given, say

for number in range(20_000):
    try:
        os.stat('/usr/share/%x' % number)
    except OSError:
        pass
answers['made'] = 0
try:
    while answers['made'] < given['most']:
        os.mkdir('d%d' % answers['made'])
        answers['made'] += 1
except OSError as error:
    answers['errno'] = error.errno
say()
