"""Group E: processes and signals."""

import ctypes
import os
import signal
import time

from probe import answers, attempt, in_child, libc, main, syscall

PTRACE, PROCESS_VM_READV, PROCESS_VM_WRITEV, KCMP, PROCESS_MADVISE, PIDFD_GETFD = 101, 310, 311, 312, 440, 438


def child_that_sleeps():
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    return pid


def e01(given):
    """Whom can it see? A sample of all process ids, and the one that it is told of."""
    seen = []
    for pid in [*range(1, 3000), *range(3000, 4_194_304, 997), given['victim']]:
        try:
            os.kill(pid, 0)
            seen.append(pid)
        except ProcessLookupError:
            pass
        except PermissionError:
            seen.append(-pid)
    answers['seen'] = sorted(set(seen) - {os.getpid()})
    attempt('victim', lambda: os.kill(given['victim'], 0))


def e02(given):
    attempt('stop', lambda: os.kill(os.getppid(), signal.SIGSTOP))
    for number in range(1, 65):
        attempt('signal %d' % number, lambda: os.kill(1, number))
    attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
    attempt('affinity', lambda: os.sched_setaffinity(1, {0}))
    attempt('prlimit', lambda: syscall(302, 1, 0, ctypes.create_string_buffer(16), 0))


def e03(_):
    pid = child_that_sleeps()
    buffer = ctypes.create_string_buffer(64)

    class Vector(ctypes.Structure):
        _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]

    vector = Vector(ctypes.addressof(buffer), 8)
    here = ctypes.byref(vector)
    attempt('readv', lambda: syscall(PROCESS_VM_READV, pid, here, 1, here, 1, 0))
    attempt('writev', lambda: syscall(PROCESS_VM_WRITEV, pid, here, 1, here, 1, 0))
    attempt('kcmp', lambda: syscall(KCMP, pid, pid, 0, 0, 0))
    attempt('seize', lambda: syscall(PTRACE, 0x4206, pid, 0, 0))
    attempt('traceme', lambda: in_child(lambda: syscall(PTRACE, 0, 0, 0, 0)))
    attempt('getfd', lambda: syscall(PIDFD_GETFD, 0, 0, 0))
    attempt('madvise', lambda: syscall(PROCESS_MADVISE, 0, 0, 0, 0, 0))
    attempt('mem', lambda: os.close(os.open('/proc/%d/mem' % pid, os.O_WRONLY)))
    os.kill(pid, signal.SIGKILL)


def e04(_):
    class Attributes(ctypes.Structure):
        _fields_ = [('size', ctypes.c_uint), ('policy', ctypes.c_uint), ('flags', ctypes.c_ulonglong), ('nice', ctypes.c_int)]
        _fields_ += [('priority', ctypes.c_uint)] + [(name, ctypes.c_ulonglong) for name in ('run', 'deadline', 'period')]

    attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
    attempt('fifo', lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
    deadline = Attributes(48, 6, 0, 0, 0, 1_000_000, 10_000_000, 10_000_000)
    attempt('deadline', lambda: in_child(lambda: syscall(314, 0, ctypes.byref(deadline), 0)))
    attempt('ioprio', lambda: syscall(251, 1, 0, (1 << 13) | 0))


def e05(_):
    """A daemon: two forks, a session of its own, deaf to everything."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, b'%d' % os.getpid())
            for stream in (0, 1, 2):
                os.dup2(os.open('/dev/null', os.O_RDWR), stream)
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            time.sleep(3600)
        os._exit(0)
    answers['daemon'] = int(os.read(reader, 16))


def e06(given):
    for _ in range(given['children']):
        if os.fork() == 0:
            os.setsid()
            while True:
                pass
    os._exit(3)


def e08(_):
    attempt('subreaper', lambda: libc.prctl(36, 1, 0, 0, 0))
    for _ in range(50):
        # CLONE_PARENT: a sibling of ours, which only the sandbox's first process can wait for.
        if syscall(56, 0x8000 | signal.SIGCHLD, 0, 0, 0, 0) == 0:
            os._exit(9)
    attempt('waited', lambda: os.waitpid(-1, os.WNOHANG))


def e10(_):
    if os.fork() == 0:
        os.kill(-1, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)


def e11(_):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        time.sleep(60)


def e12(_):
    made = 0
    try:
        for made in range(50_000):
            if os.fork() == 0:
                os._exit(0)
    except BlockingIOError:
        pass
    answers['made'] = made


def e13(_):
    attempt('name', lambda: libc.prctl(15, b'x\nSeccomp:\t0\x1b[31m', 0, 0, 0))
    attempt('pdeathsig', lambda: libc.prctl(1, 0, 0, 0, 0))


def e16(given):
    for _ in range(given.get('hold', 0)):
        os.open('/dev/null', os.O_WRONLY)
    for number in range(3, 64):
        attempt(str(number), lambda: os.write(number, b'{"Exited":{"status":{"Code":0},"at":0,"wait":0}}'))


def e17(_):
    """Not dumpable any more: by prctl, and by executing a file that it can't read itself."""
    libc.prctl(4, 0, 0, 0, 0)
    time.sleep(0.05)


def e18(_):
    """Pins itself and a child to one CPU, so that it waits for itself."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if os.fork() == 0:
        while True:
            pass
    while True:
        pass


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] == 'e' and name[1:3].isdigit()})
