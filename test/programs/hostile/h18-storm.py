"""H18: what disks and file systems dislike, over and over: small synchronous writes, renames, empty files, sync."""

import os
import time

end = time.monotonic() + 30
number = 0
while time.monotonic() < end:
    number += 1
    name = 'f%d' % (number % 200)
    with open(name, 'wb', 0) as file:
        file.write(b'x' * 4096)
        os.fsync(file.fileno())
    os.rename(name, name + '.new')
    os.unlink(name + '.new')
    if number % 50 == 0:
        os.sync()
