"""F10: administration, and calls of old."""

from probe import calls, say

calls(swapon=167, swapoff=168, acct=163, quotactl=179, quotactl_fd=443, vhangup=153, syslog=103, sethostname=170)
calls(iopl=172, ioperm=173, modify_ldt=154, uselib=134, sysfs=139, ustat=136, lookup_dcookie=212, nfsservctl=180)
say()
