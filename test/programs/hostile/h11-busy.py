"""H11: busy in each of some processes, for `seconds` where that is said."""

import os
import time

from probe import given

end = time.monotonic() + given.get('seconds', 1_000)
for _ in range(given['processes'] - 1):
    if os.fork() == 0:
        break
while time.monotonic() < end:
    pass
