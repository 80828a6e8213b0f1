"""E02: stops the process that watches it, then sleeps on."""

import os
import signal
import time

try:
    os.kill(os.getppid(), signal.SIGSTOP)
except OSError:
    pass
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(3600)
