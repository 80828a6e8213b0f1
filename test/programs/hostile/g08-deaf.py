"""G08: reads nothing, and leaves a child that holds its streams open."""

import os
import time

if os.fork() == 0:
    time.sleep(60)
