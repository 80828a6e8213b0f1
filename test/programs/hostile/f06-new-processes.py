"""F06: what every program does must still work."""

import os
import signal
import threading

from probe import attempt, clone, in_child, say


def thread():
    one = threading.Thread(target=lambda: None)
    one.start()
    one.join()


attempt('fork', lambda: in_child(lambda: None))
attempt('clone', lambda: clone(int(signal.SIGCHLD)))
attempt('thread', thread)
attempt('posix_spawn', lambda: os.waitpid(os.posix_spawn('/usr/bin/true', ['true'], {}), 0))
say()
