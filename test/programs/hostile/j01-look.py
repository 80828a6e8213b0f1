"""J01: whatever bears a name, down to eight directories below some places."""

import os

from probe import answers, given, say

answers['found'] = []
for top in given['places']:
    for directory, folders, names in os.walk(top):
        if directory.startswith(('/proc', '/usr/share', '/usr/lib', '/usr/include')) or directory.count('/') > 8:
            folders.clear()
        answers['found'] += [os.path.join(directory, name) for name in names + folders if given['token'] in name]
say()
