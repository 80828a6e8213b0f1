"""E05: a daemon: two forks, a session of its own, deaf to everything."""

import os
import signal
import time

from probe import answers, say

reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        for stream in (0, 1, 2):
            os.dup2(os.open('/dev/null', os.O_RDWR), stream)
        os.write(writer, b'%d' % os.getpid())
        time.sleep(3600)
    os._exit(0)
answers['daemon'] = int(os.read(reader, 16))
say()
