"""E10: stops all that it can reach, and itself. With `watched`, does so in a child, and says whether that stopped."""

import os
import signal

from probe import answers, given, say


def stop():
    if os.fork() == 0:
        os.kill(-1, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)


if 'watched' in given:
    child = os.fork()
    if child == 0:
        stop()
        os._exit(0)
    answers['stopped'] = os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
    say()
else:
    stop()
