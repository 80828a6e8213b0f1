"""A09: takes mounts away. With `cover`, each is covered with one of our own first."""

from probe import attempt, given, say, syscall

MOUNT, UMOUNT2 = 165, 166
for path in ('/proc', '/usr', '/work', '/tmp', '/dev/shm', '/dev/null', '/'):
    if 'cover' in given and path not in ('/proc', '/usr', '/tmp', '/dev/shm'):
        continue
    for name, flags in (('plain', 0), ('lazy', 2), ('force', 1)):
        if 'cover' in given:
            syscall(MOUNT, b'none', path.encode(), b'tmpfs', 0, 0)
        attempt('%s %s' % (name, path), lambda: syscall(UMOUNT2, path.encode(), flags))
say()
