"""Groups C and D: what the kernel's file systems show, and what a program inherits."""

import ctypes
import fcntl
import glob
import os
import re
import resource
import socket
import stat

from probe import answers, attempt, libc, main, read, syscall, write

HIDDEN = 'kcore kallsyms kmsg keys key-users timer_list sched_debug modules iomem interrupts config.gz'.split()
RESIDUAL = 'cpuinfo meminfo uptime loadavg diskstats stat version cmdline mounts sys net'.split()
DEVICES = (
    'mem kmem kmsg port kvm fuse net/tun loop-control mapper/control vhost-vsock vhost-net uinput input/event0 '
    'dri/card0 snd/timer ptmx console tty userfaultfd pts/0 tty0 loop0 vda'
).split()


def c01(_):
    attempt('pids', lambda: sorted(int(name) for name in os.listdir('/proc') if name.isdigit()) == [os.getpid()], keep=True)
    attempt('entries', lambda: sorted(name for name in os.listdir('/proc') if not name.isdigit()), keep=True)
    attempt('init', lambda: os.stat('/proc/1'))


def c01_control(given):
    attempt('pids', lambda: str(given['victim']) in os.listdir('/proc'), keep=True)


def c02(_):
    for name in HIDDEN:
        attempt(name, lambda: os.stat('/proc/' + name))


def c03(_):
    for name in (
        'sys/kernel/core_pattern sys/kernel/modprobe sys/fs/binfmt_misc/register sysrq-trigger sys/vm/overcommit_memory '
        'sys/net/ipv4/ip_forward sys/kernel/hostname'
    ).split():
        attempt(name, lambda: os.close(os.open('/proc/' + name, os.O_WRONLY)))
    for name in 'oom_score_adj comm attr/current timerslack_ns clear_refs uid_map setgroups coredump_filter mem'.split():
        attempt('self/' + name, lambda: os.close(os.open('/proc/self/' + name, os.O_WRONLY)))


def c04(_):
    for name in 'mountinfo cgroup maps environ cmdline status attr/current mounts limits'.split():
        attempt(name, lambda: read('/proc/self/' + name, 1 << 20).decode('latin1'), keep=True)


def c06(_):
    os.makedirs('/work/m', exist_ok=True)
    for kind in (b'cgroup', b'cgroup2'):
        attempt('mount ' + kind.decode(), lambda: syscall(165, b'none', b'/work/m', kind, 0, b'memory' if kind == b'cgroup' else 0))
    for name in 'release_agent notify_on_release cgroup.procs memory.limit_in_bytes devices.allow'.split():
        attempt(name, lambda: os.close(os.open('/sys/fs/cgroup/memory/' + name, os.O_WRONLY)))


def c07(_):
    for path in 'firmware kernel/debug kernel/security kernel/tracing class/dmi/id fs/bpf fs/cgroup'.split():
        attempt(path, lambda: os.listdir('/sys/' + path))


def c10(_):
    attempt('names', lambda: sorted(os.listdir('/dev')), keep=True)
    for name in DEVICES:
        attempt(name, lambda: os.stat('/dev/' + name))
    numbers = {}
    for name in ('null', 'zero', 'full', 'random', 'urandom'):
        found = os.stat('/dev/' + name)
        numbers[name] = [os.major(found.st_rdev), os.minor(found.st_rdev), stat.S_ISCHR(found.st_mode)]
    answers['numbers'] = numbers


def c11(_):
    for name in RESIDUAL:
        attempt(name, lambda: os.stat('/proc/' + name))
    attempt('hostname', lambda: os.uname().nodename, keep=True)
    attempt('sockets', lambda: len(read('/proc/self/net/unix', 1 << 20).splitlines()) - 1, keep=True)
    attempt('interfaces', lambda: re.findall(r'^\s*(\w+):', read('/proc/self/net/dev', 1 << 20).decode(), re.M), keep=True)


def c12(_):
    def frame():
        with open('/proc/self/pagemap', 'rb') as file:
            here = ctypes.addressof(ctypes.create_string_buffer(8))
            file.seek(here // 4096 * 8)
            return int.from_bytes(file.read(8), 'little') & ((1 << 55) - 1)

    attempt('frame', frame, keep=True)
    for name in ('kpagecount', 'kpageflags', 'kpagecgroup'):
        attempt(name, lambda: os.stat('/proc/' + name))


def c15(_):
    attempt('fanotify', lambda: syscall(300, 0, 0))
    attempt('inotify', lambda: syscall(294, 0))
    attempt('dnotify', lambda: fcntl.fcntl(os.open('/usr', os.O_RDONLY), 1026, 1))
    attempt('lease', lambda: fcntl.fcntl(os.open('/usr/bin/env', os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK))


def d01(given):
    kept = [os.open('/dev/null', os.O_RDONLY) for _ in range(given.get('hold', 0))]

    def open_one(number):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
            return True
        except OSError:
            return False

    answers['open'] = [number for number in range(0, 65536) if open_one(number)]
    answers['held'] = len(kept)


def d02(given):
    if 'terminal' in given:
        os.dup2(os.openpty()[1], 0)
        one, two = socket.socketpair()
        os.dup2(one.fileno(), 2)
        answers['peer'] = two.fileno() > 2
    for number in (0, 1, 2):
        found = os.fstat(number)
        answers['kind %d' % number] = 'pipe' if stat.S_ISFIFO(found.st_mode) else oct(found.st_mode)
        answers['tty %d' % number] = os.isatty(number)
        attempt('socket %d' % number, lambda: socket.socket(fileno=os.dup(number)).getpeername())


def d03(_):
    answers['environment'] = dict(os.environ)


def d04(_):
    """Every readable byte of our own memory: what the worker holds must not be in it. What to look for comes on stdin, in
    halves, so that it is nowhere in us as a whole."""
    halves = [line.encode() for line in os.read(0, 4096).decode().split()]
    found = 0
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
        for line in maps.read().splitlines():
            start, end, mode = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\S+)', line).groups()
            if mode[0] != 'r' or 'vvar' in line or 'vsyscall' in line:
                continue
            try:
                memory.seek(int(start, 16))
                block = memory.read(int(end, 16) - int(start, 16))
            except (OSError, ValueError):
                continue
            at = block.find(halves[0])
            while at >= 0:
                found += block[at + len(halves[0]) :].startswith(halves[1])
                at = block.find(halves[0], at + 1)
    answers['found'] = found


def d07(_):
    attempt('session', lambda: syscall(250, 0, ctypes.c_long(-3), 0, 0, 0))
    attempt('search', lambda: syscall(250, 10, ctypes.c_long(-3), b'user', b'canary', 0))
    attempt('add', lambda: syscall(248, b'user', b'x', b'x', 1, ctypes.c_long(-2)))
    attempt('request', lambda: syscall(249, b'user', b'x', 0, ctypes.c_long(-3)))


def d08(_):
    names = 'CORE CPU DATA FSIZE MEMLOCK MSGQUEUE NICE NOFILE RSS RTPRIO SIGPENDING STACK'.split()
    for name in names:
        kind = getattr(resource, 'RLIMIT_' + name)
        soft, hard = resource.getrlimit(kind)
        answers[name] = [soft, hard]
        if hard != resource.RLIM_INFINITY:
            try:
                resource.setrlimit(kind, (hard, hard))
                answers['within ' + name] = 'ok'
                resource.setrlimit(kind, (hard, hard + 1))
                answers['raise ' + name] = 'ok'
            except (OSError, ValueError):
                answers['raise ' + name] = 'EPERM'


def d10(given):
    if 'socket' in given:
        one, other = socket.socketpair()
        socket.send_fds(one, [b'x'], [1])
        os.dup2(other.fileno(), 0)
    attempt('receive', lambda: socket.socket(fileno=os.dup(0)).recvmsg(1, 100))


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] in 'cd' and name[1:3].isdigit()})
