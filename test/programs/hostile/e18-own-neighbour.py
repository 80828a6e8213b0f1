"""E18: pins itself and a child to one CPU, so that it waits for itself."""

import os

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.fork()
while True:
    pass
