"""F29: moving, linking, cutting and reopening across what Landlock and the mounts keep apart."""

import os

from probe import attempt, given, say, syscall

here, there, shared, program = given['here'], given['there'], given['shared'], given['program']
os.makedirs(here + '/a/b', exist_ok=True)
open(here + '/a/b/f', 'w').close()
for place in (there, shared):
    os.makedirs(place, exist_ok=True)
attempt('link out', lambda: os.link(program, here + '/program'))
attempt('rename out', lambda: os.rename(here + '/a/b/f', shared + '/f'))
attempt('rename across', lambda: os.rename(here + '/a/b/f', there + '/f'))
attempt('link across', lambda: os.link(here + '/a/b/f', there + '/g'))
attempt('refer inside', lambda: os.rename(here + '/a/b/f', here + '/f'))
held = os.open(program, os.O_PATH)
attempt('truncate', lambda: os.truncate(program, 0))
attempt('reopen', lambda: os.close(os.open('/proc/self/fd/%d' % held, os.O_WRONLY)))
inside = os.open(here + '/a/b', os.O_PATH)
os.rename(here + '/a/b', here + '/b')
attempt('disconnected', lambda: os.stat(given['above'], dir_fd=inside))
say()
