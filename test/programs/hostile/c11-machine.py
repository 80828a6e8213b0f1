"""C11: what is left to see of the machine and its network."""

import os
import re

from probe import attempt, read, say

for name in 'cpuinfo meminfo uptime loadavg diskstats stat version cmdline mounts sys net'.split():
    attempt(name, lambda: os.stat('/proc/' + name))
attempt('hostname', lambda: os.uname().nodename, keep=True)
attempt('sockets', lambda: len(read('/proc/self/net/unix', 1 << 20).splitlines()) - 1, keep=True)
attempt('interfaces', lambda: re.findall(r'^\s*(\w+):', read('/proc/self/net/dev', 1 << 20).decode(), re.M), keep=True)
say()
