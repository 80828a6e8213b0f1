"""F18: all call numbers, with ones for arguments: which are refused. Calls that end or block a process are left out."""

import ctypes
import os
import signal

from probe import answers, libc, say

SKIPPED = {0, 7, 15, 22, 23, 34, 35, 56, 57, 58, 59, 60, 61, 62, 109, 112, 128, 130, 200, 202, 219, 230, 231, 232, 234, 270, 271, 281, 322, 435, 441, 449}
# Of these an ordinary process without a filter would end its login session or hang itself up.
SKIPPED |= {153, 169}
EPERM, ENOSYS, OTHER = 1, 38, 250

answers['refused'] = []
for number in [n for n in range(0, 600) if n not in SKIPPED]:
    pid = os.fork()
    if pid == 0:
        signal.alarm(1)
        result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
        os._exit(ctypes.get_errno() if result == -1 else OTHER)
    status = os.waitpid(pid, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) in (EPERM, ENOSYS):
        answers['refused'].append(number)
say()
