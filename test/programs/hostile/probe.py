"""What the hostile programs are made of: named attempts, each answered by 'ok', a value or an errno's name.

A program is run as `program.py JSON`, which it finds in `given`; its last line is `say()`, which prints one JSON object,
attempt by attempt. The same file runs in a sandbox and, for the positive control, on the bare host.
"""

import ctypes
import errno
import json
import os
import signal
import sys

libc = ctypes.CDLL(None, use_errno=True)
answers = {}
given = json.loads(sys.argv[-1]) if sys.argv[-1].startswith('{') else {}


def syscall(number, *arguments):
    """The raw call; raises OSError as Python's own wrappers do."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def attempt(name, action, keep=False):
    """Notes what came of an action: its value if `keep`, else 'ok'."""
    try:
        value = action()
        answers[name] = value if keep else 'ok'
    except OSError as error:
        answers[name] = errno.errorcode.get(error.errno, str(error.errno))
    return answers[name]


def calls(**numbers):
    """Makes each call with zeros, in a process of its own."""
    for name, number in numbers.items():
        attempt(name, lambda: in_child(lambda: syscall(number, 0, 0, 0, 0, 0, 0)))


def clone(flags):
    """The raw call; the new process ends at once."""
    pid = syscall(56, flags, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def in_child(action):
    """Does something in a process of its own; raises its errno here. A signal is raised as 1000 + its number."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        except OSError as error:
            os._exit(min(error.errno, 255))
        except BaseException:
            os._exit(254)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        raise OSError(1000 + os.WTERMSIG(status), 'signal')
    if os.WEXITSTATUS(status):
        raise OSError(os.WEXITSTATUS(status), 'child')


def keep_in_children(processes, each, fill):
    """In each of some children, fills at most `each` times and keeps what it is given; ends well when all have what they could get."""
    filled, tell = os.pipe()
    for _ in range(processes):
        if os.fork() == 0:
            kept = []
            try:
                while len(kept) < each:
                    kept.append(fill())
            except OSError:
                pass
            os.write(tell, b'x')
            signal.pause()
    for _ in range(processes):
        os.read(filled, 1)
    os._exit(0)


def read(path, size=4096):
    with open(path, 'rb') as file:
        return file.read(size)


def write(path, text):
    with open(path, 'wb', buffering=0) as file:
        file.write(text.encode())


def say():
    sys.stdout.write(json.dumps(answers))
    sys.stdout.flush()
