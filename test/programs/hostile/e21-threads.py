"""E21: five threads and a child, all asleep, for somebody to look at from outside."""

import os
import threading
import time

for _ in range(5):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
if os.fork() == 0:
    time.sleep(60)
print('up', flush=True)
time.sleep(60)
