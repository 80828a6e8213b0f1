"""C10: which devices there are, and whether those that should be are what they seem."""

import os
import stat

from probe import answers, attempt, say

OTHERS = (
    'mem kmem kmsg port kvm fuse net/tun loop-control mapper/control vhost-vsock vhost-net uinput input/event0 '
    'dri/card0 snd/timer ptmx console tty userfaultfd pts/0 tty0 loop0 vda'
).split()

attempt('names', lambda: sorted(os.listdir('/dev')), keep=True)
for name in OTHERS:
    attempt(name, lambda: os.stat('/dev/' + name))
numbers = {}
for name in ('null', 'zero', 'full', 'random', 'urandom'):
    found = os.stat('/dev/' + name)
    numbers[name] = [os.major(found.st_rdev), os.minor(found.st_rdev), stat.S_ISCHR(found.st_mode)]
answers['numbers'] = numbers
say()
