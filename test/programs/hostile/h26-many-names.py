"""H26: names that aren't there, other ones each time: the kernel remembers them, on this job's account."""

import os
import random

for _ in range(2000):
    try:
        os.stat('/usr/share/%x' % random.getrandbits(64))
    except OSError:
        pass
