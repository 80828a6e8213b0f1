"""H02: threads until there are no more, or 100."""

import os
import threading
import time

from probe import answers, say

answers['made'] = 0
try:
    while answers['made'] < 100:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        answers['made'] += 1
except RuntimeError:
    pass
say()
os._exit(0)
