"""B17: what a file has beside its bytes: modes, an access list, attributes, a flag that keeps it; and shut directories."""

import fcntl
import os
import struct

from probe import attempt, given, say, write

SET_FLAGS = 0x40086602
IMMUTABLE, NONE = b'\x10' + bytes(7), bytes(8)
# Version 2: owner, one named user, group, mask, others.
ENTRIES = ((1, 6, -1), (2, 7, 1), (4, 4, -1), (16, 7, -1), (32, 4, -1))
ACL = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in ENTRIES)

write('setuid', 'x')
os.chmod('setuid', 0o6777)
write('listed', 'x')
attempt('acl', lambda: os.setxattr('listed', 'system.posix_acl_access', ACL))
attempt('xattr', lambda: os.setxattr('listed', 'user.x', b'x'))
attempt('capability', lambda: os.setxattr('listed', 'security.capability', struct.pack('<5I', 0x02000001, 1 << 21, 0, 0, 0)))
write('closed', 'x')
os.chmod('closed', 0)
file = os.open('setuid', os.O_RDONLY)
attempt('chattr', lambda: fcntl.ioctl(file, SET_FLAGS, IMMUTABLE))
if 'undo' in given:
    attempt('removed', lambda: os.unlink('setuid'))
    fcntl.ioctl(file, SET_FLAGS, NONE)
os.mkdir('shut')
write('shut/file', 'x')
os.chmod('shut', 0)
os.chmod('.', 0)
say()
