"""C15: every way to be told what others do with a file."""

import fcntl
import os

from probe import attempt, say, syscall

FANOTIFY_INIT, INOTIFY_INIT1, F_NOTIFY = 300, 294, 1026
attempt('fanotify', lambda: syscall(FANOTIFY_INIT, 0, 0))
attempt('inotify', lambda: syscall(INOTIFY_INIT1, 0))
attempt('dnotify', lambda: fcntl.fcntl(os.open('/usr', os.O_RDONLY), F_NOTIFY, 1))
attempt('lease', lambda: fcntl.fcntl(os.open('/usr/bin/env', os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK))
say()
