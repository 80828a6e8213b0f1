"""E11: ignores and blocks every signal that it can, then sends itself those that end programs, and sleeps on."""

import os
import signal
import time

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGALRM, signal.SIGXCPU):
    os.kill(os.getpid(), number)
print('deaf', flush=True)
while True:
    time.sleep(60)
