"""H08: empty files, at most `most`."""

import os

from probe import answers, given, say

answers['made'], answers['errno'] = 0, 0
try:
    while answers['made'] < given['most']:
        os.mknod('f%d' % answers['made'])
        answers['made'] += 1
except OSError as error:
    answers['errno'] = error.errno
say()
