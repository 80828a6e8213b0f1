"""B09: links to files of others, for somebody who changes owners and modes without looking."""

import os

from probe import attempt, given, say

for name in ('rootOnly', 'worldReadable'):
    os.symlink(given[name], name)
os.symlink('/etc', 'etc')
attempt('chown', lambda: os.chown('rootOnly', 1000, 1000))
attempt('chmod', lambda: os.chmod('worldReadable', 0o777))
say()
