"""H11: always another process, none of them old."""

import os

while True:
    if os.fork() == 0:
        if os.fork() == 0:
            for _ in range(500_000):
                pass
        os._exit(0)
    os.wait()
