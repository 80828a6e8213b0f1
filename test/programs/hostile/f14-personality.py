"""F14: personalities that take hardening off; asking for one's own is harmless."""

from probe import attempt, in_child, say, syscall

for name, value in {'no randomize': 0x40000, 'read implies exec': 0x400000, 'linux32': 8}.items():
    attempt(name, lambda: in_child(lambda: syscall(135, value)))
attempt('ask', lambda: syscall(135, 0xFFFFFFFF))
say()
