"""E16: what the runner might read, written to every descriptor that might be its; the first is ours with `hold`."""

import os

from probe import attempt, given, say

for _ in range(given.get('hold', 0)):
    os.open('/dev/null', os.O_WRONLY)
for number in range(3, 256):
    attempt(str(number), lambda: os.write(number, b'{"Exited":{"status":{"Code":0},"at":0,"wait":0}}'))
say()
