"""B19: a file that seems larger than everything that may be taken, and takes no room."""

import os

from probe import answers, say

with open('sparse', 'wb') as file:
    file.truncate(60 << 20)
with open('small', 'wb') as file:
    file.truncate(1 << 10)
answers['blocks'] = os.stat('sparse').st_blocks
say()
