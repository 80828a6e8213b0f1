"""C06: control groups: a hierarchy mounted, and the files of one that is there already, opened for writing."""

import os

from probe import attempt, say, syscall

MOUNT = 165
os.makedirs('m', exist_ok=True)
for kind, controllers in ((b'cgroup', b'memory'), (b'cgroup2', 0)):
    attempt('mount ' + kind.decode(), lambda: syscall(MOUNT, b'none', b'm', kind, 0, controllers))
for name in 'release_agent notify_on_release cgroup.procs memory.limit_in_bytes'.split():
    attempt(name, lambda: os.close(os.open('/sys/fs/cgroup/memory/' + name, os.O_WRONLY)))
attempt('devices.allow', lambda: os.close(os.open('/sys/fs/cgroup/devices/devices.allow', os.O_WRONLY)))
attempt('v2', lambda: os.close(os.open('/sys/fs/cgroup/cgroup.procs', os.O_WRONLY)))
say()
