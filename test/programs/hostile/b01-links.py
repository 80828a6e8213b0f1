"""B01: links to everything that should not come back. With `follow`, what a reader that follows them gets."""

import os

from probe import attempt, given, read, say, write

for name in ('rootOnly', 'worldReadable'):
    os.symlink(given[name], name)
os.symlink('/etc/passwd', 'passwd')
os.symlink(os.path.dirname(given['worldReadable']), 'directory')
os.symlink('/proc/self/root' + given['worldReadable'], 'magic')
os.mkdir('real')
write('real/file', 'x')
os.symlink('real', 'inner')
os.symlink('real/file', 'near')
if 'follow' in given:
    for path in ('rootOnly', 'worldReadable', 'passwd', 'directory/world-readable', 'magic', 'inner/file', 'near'):
        attempt(path, lambda: read(path).decode(), keep=True)
say()
