"""F22: how each of twenty threads stands."""

import os
import threading
import time

from probe import answers, read, say

for _ in range(20):
    threading.Thread(target=time.sleep, args=(1,)).start()
WANTED = (b'Seccomp:\t2', b'NoNewPrivs:\t1', b'CapEff:\t0000000000000000')
tasks = os.listdir('/proc/self/task')
statuses = [read('/proc/self/task/%s/status' % task) for task in tasks]
answers['tasks'] = len(tasks)
answers['confined'] = sum(all(line in status for line in WANTED) for status in statuses)
say()
