"""C04: everything that our own entries in /proc say."""

from probe import attempt, read, say

for name in 'mountinfo cgroup maps environ cmdline status attr/current mounts limits'.split():
    attempt(name, lambda: read('/proc/self/' + name, 1 << 20).decode('latin1'), keep=True)
say()
