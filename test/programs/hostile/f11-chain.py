"""F11: the whole chain: hold a directory, make a user namespace, mount over, write through what is held."""

import os

from probe import attempt, given, in_child, say, syscall

USER_AND_MOUNT = 0x10000000 | 0x20000
held = os.open(given['directory'], os.O_PATH)


def chain():
    syscall(272, USER_AND_MOUNT)
    os.makedirs('m', exist_ok=True)
    syscall(165, b'none', b'm', b'tmpfs', 0, 0)
    with open('/proc/self/fd/%d/victim' % held, 'w') as file:
        file.write('written')


attempt('chain', lambda: in_child(chain))
say()
