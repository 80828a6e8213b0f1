"""C03: settings of the kernel and of ourselves, opened for writing; nothing is written."""

import os

from probe import attempt, say

KERNEL = (
    'sys/kernel/core_pattern sys/kernel/modprobe sys/fs/binfmt_misc/register sysrq-trigger sys/vm/overcommit_memory '
    'sys/net/ipv4/ip_forward sys/kernel/hostname sys/kernel/sysrq sys/vm/drop_caches'
)
OWN = 'oom_score_adj comm attr/current timerslack_ns clear_refs uid_map setgroups coredump_filter mem'
for name in [*KERNEL.split(), *('self/' + name for name in OWN.split())]:
    attempt(name, lambda: os.close(os.open('/proc/' + name, os.O_WRONLY)))
say()
