"""Group H: using things up. Memory by every door, processes, CPU, time, files."""

import ctypes
import fcntl
import mmap
import os
import resource
import socket
import sys
import threading
import time

from probe import answers, attempt, libc, main, syscall, write

PAGE = b'x' * 4096
MIB = 1 << 20


def touch(buffer, size):
    for at in range(0, size, 4096):
        buffer[at] = 1


def h01(_):
    while True:
        try:
            os.fork()
        except OSError:
            pass


def h02(_):
    made = 0
    try:
        while True:
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            made += 1
    except RuntimeError:
        pass
    sys.stdout.write(str(made))
    sys.stdout.flush()
    os._exit(0)


def h03(given):
    """The main program stays within its means and says that all is well; a child does not."""
    if os.fork() == 0:
        kept = [bytearray(MIB) for _ in range(given['megabytes'])]
        time.sleep(60 if kept else 0)
    os.wait()


def h05_memfd(_):
    file = os.memfd_create('x')
    while True:
        os.write(file, PAGE * 256)


def h05_shm(_):
    with open('/dev/shm/x', 'wb', 0) as file:
        while True:
            file.write(PAGE * 256)


def h05_shared(_):
    buffer = mmap.mmap(-1, 1 << 30)
    touch(buffer, 1 << 30)


def many(fill):
    """In many processes, as many descriptors as each may have."""
    for _ in range(50):
        if os.fork() == 0:
            kept = []
            try:
                while True:
                    kept.append(fill())
            except OSError:
                time.sleep(60)
    time.sleep(3)


def h05_pipes(_):
    def fill():
        reader, writer = os.pipe()
        try:
            fcntl.fcntl(writer, 1031, MIB)
        except OSError:
            pass
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, PAGE * 16)
        except BlockingIOError:
            return reader, writer

    many(fill)


def h05_unix(_):
    def fill():
        one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
        one.setblocking(False)
        try:
            while True:
                one.send(PAGE * 10)
        except OSError as error:
            if error.errno not in (11, 105):
                raise
        return one, two

    many(fill)


def h05_tables(_):
    """One page of memory, mapped a million times: page tables are all that it costs."""
    file = os.memfd_create('x')
    os.write(file, PAGE)
    kept = []
    for _ in range(30_000):
        # Two megabytes apart, so that each needs a table of its own.
        here = mmap.mmap(-1, 4 * MIB, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
        here[0] = here[2 * MIB] = 1
        kept.append(here)


def h05_udp(_):
    """Datagrams that nobody reads, in the job's own network."""
    for _ in range(20):
        if os.fork() == 0:
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            kept = []
            try:
                while True:
                    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    one.bind(('127.0.0.1', 0))
                    kept.append(one)
                    for _ in range(100):
                        sender.sendto(b'x' * 1400, one.getsockname())
            except OSError:
                time.sleep(60)
    time.sleep(2)


def h06(_):
    attempt('timers', lambda: [syscall(222, 0, 0, ctypes.byref(ctypes.c_int())) for _ in range(5000)] and None)
    for number in range(20_000):
        try:
            os.stat('/usr/share/%x' % number)
        except OSError:
            pass
    made = 0
    try:
        for made in range(200_000):
            os.mkdir('d%d' % made)
    except OSError:
        pass
    answers['made'] = made


def h07(_):
    for name in ('/work/x', '/tmp/x', '/dev/shm/x'):
        written = 0
        with open(name, 'wb', 0) as file:
            try:
                while True:
                    written += file.write(PAGE)
            except OSError as error:
                answers[name] = [written, error.errno]


def h10(given):
    os.remove('probe.py')
    with open('x', 'wb', 0) as file:
        attempt('seek', lambda: file.seek(given['bytes']) and None)
        attempt('write', lambda: file.write(b'x') and None)
    attempt('truncate', lambda: os.truncate('x', given['bytes'] + 1))


def h11(given):
    for _ in range(given['threads'] - 1):
        if os.fork() == 0:
            break
    while True:
        pass


def h11_short(_):
    """Always another process, none of them old."""
    while True:
        if os.fork() == 0:
            if os.fork() == 0:
                for _ in range(500_000):
                    pass
            os._exit(0)
        os.wait()


def h12_fifo(_):
    os.mkfifo('fifo')
    open('fifo')


def h12_select(_):
    import select

    select.select([], [], [])


def h13(_):
    import signal

    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while True:
        time.sleep(0.05)


def h14(given):
    for limit in (0, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
        except (OSError, ValueError):
            pass
    kept = bytearray(given['megabytes'] * MIB)
    touch(kept, len(kept))
    os.abort()


def h17(_):
    attempt('mlockall', lambda: syscall(151, 3))
    here = mmap.mmap(-1, 4096)
    attempt('mlock', lambda: syscall(149, ctypes.addressof(ctypes.c_char.from_buffer(here)), 4096))
    attempt('locked', lambda: mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x2000).close())
    attempt('huge', lambda: mmap.mmap(-1, 2 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000).close())
    attempt('huge memfd', lambda: os.ftruncate(syscall(319, b'x', 4), 2 * MIB))


def h20(_):
    attempt('inotify', lambda: syscall(294, 0))
    attempt('ptmx', lambda: os.open('/dev/ptmx', os.O_RDWR))
    attempt('random', lambda: len(os.urandom(16 * MIB)) and None)


def g01(given):
    if 'terminal' in given:
        slave = os.openpty()[1]
        os.setsid()
        fcntl.ioctl(slave, 0x540E, 0)
        for fd in (0, 2):
            os.dup2(slave, fd)
    for fd in (0, 1, 2):
        for bits, high in (('', 0), (' high', 1 << 32), (' top', 1 << 63)):
            attempt('%d%s' % (fd, bits), lambda: syscall(16, fd, ctypes.c_ulong(0x5412 | high), ctypes.create_string_buffer(b'x')))


def g02(_):
    attempt('tty', lambda: os.open('/dev/tty', os.O_RDWR))
    attempt('ctty', lambda: fcntl.ioctl(0, 0x540E, 0))
    attempt('tcsetpgrp', lambda: os.tcsetpgrp(0, os.getpgrp()))
    attempt('console', lambda: os.open('/dev/console', os.O_RDWR))


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] in 'gh' and name[1:3].isdigit()})
