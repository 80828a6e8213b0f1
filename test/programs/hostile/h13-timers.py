"""H13: alarms, sleeps until moments in the past, another time zone; and still here."""

import ctypes
import os
import signal
import time

from probe import libc

signal.signal(signal.SIGALRM, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
os.environ['TZ'] = 'Pacific/Kiritimati'
time.tzset()
ABSOLUTE = 1
while True:
    libc.clock_nanosleep(time.CLOCK_MONOTONIC, ABSOLUTE, (ctypes.c_long * 2)(0, 0), None)
    time.sleep(0.02)
