"""C02: what /proc shows of the kernel."""

import os

from probe import attempt, say

for name in 'kcore kallsyms kmsg keys key-users timer_list sched_debug modules iomem interrupts config.gz'.split():
    attempt(name, lambda: os.stat('/proc/' + name))
say()
