"""G07: a byte now and then, for ever."""

import os
import time

while True:
    os.write(1, b'x')
    time.sleep(0.1)
