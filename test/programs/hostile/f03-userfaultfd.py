"""F03: page faults handled by the program itself."""

import os

from probe import attempt, say, syscall

attempt('userfaultfd', lambda: syscall(323, 0))
attempt('device', lambda: os.stat('/dev/userfaultfd'))
say()
