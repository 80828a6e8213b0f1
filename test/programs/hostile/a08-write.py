"""A08: changes what all jobs share, below `root`."""

import os

from probe import attempt, given, say

root = given['root']
for path in ('/usr/bin/hostile', '/etc/hostile', '/hostile', '/usr/bin/python3', '/dev/hostile'):
    attempt(path, lambda: os.close(os.open(root + path, os.O_WRONLY | os.O_CREAT, 0o755)))
attempt('chmod', lambda: os.chmod(root + '/usr/bin/env', 0o777))
attempt('utime', lambda: os.utime(root + '/usr/bin/env', (0, 0)))
attempt('unlink', lambda: os.unlink(root + '/usr/bin/env'))
attempt('rename', lambda: os.rename(root + '/usr/bin', root + '/usr/bin2'))
say()
