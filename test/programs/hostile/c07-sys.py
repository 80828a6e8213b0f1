"""C07: what /sys shows of the machine."""

import os

from probe import attempt, say

for path in 'firmware kernel/debug kernel/security kernel/tracing class/dmi/id fs/bpf fs/cgroup module'.split():
    attempt(path, lambda: os.listdir('/sys/' + path))
say()
