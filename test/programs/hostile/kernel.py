"""Group F: the kernel's attack surface. Each call is made for real; what it would do harmlessly fails by its arguments."""

import ctypes
import fcntl
import mmap
import os
import resource
import signal
import socket
import threading
import time

from probe import answers, attempt, in_child, libc, main, read, syscall

NAMESPACES = {'NS': 0x20000, 'CGROUP': 0x2000000, 'UTS': 0x4000000, 'IPC': 0x8000000, 'USER': 0x10000000, 'PID': 0x20000000, 'NET': 0x40000000}
SIGCHLD = int(signal.SIGCHLD)
zeros = ctypes.create_string_buffer(256)
pages = []


def calls(table):
    for name, number in table.items():
        attempt(name, lambda: in_child(lambda: syscall(number, 0, 0, 0, 0, 0, 0)))


def f01(_):
    for command in range(0, 40):
        attempt('bpf %d' % command, lambda: syscall(321, command, zeros, 128))


def f02(_):
    event = ctypes.create_string_buffer(b'\1\0\0\0\x80\0\0\0', 128)
    attempt('software', lambda: syscall(298, event, 0, -1, -1, 0))


def f03(_):
    attempt('userfaultfd', lambda: syscall(323, 0))
    attempt('device', lambda: os.stat('/dev/userfaultfd'))


def f04(_):
    attempt('setup', lambda: syscall(425, 8, zeros))
    attempt('enter', lambda: syscall(426, 0, 1, 0, 0, 0))
    attempt('register', lambda: syscall(427, 0, 0, 0, 0))


def f06(_):
    for name, flag in NAMESPACES.items():
        attempt('unshare ' + name, lambda: in_child(lambda: syscall(272, flag)))
        for bits, high in (('', 0), (' high', 1 << 40)):
            attempt('clone ' + name + bits, lambda: clone(flag | high | SIGCHLD))
    attempt('clone3 null', lambda: syscall(435, 0, 0))
    attempt('setns', lambda: syscall(308, os.open('/proc/self/ns/user', os.O_RDONLY), 0))
    attempt('setns -1', lambda: syscall(308, -1, 0))


def clone(flags):
    pid = syscall(56, flags, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def f06_usual(_):
    """What every program does must still work."""
    attempt('fork', lambda: in_child(lambda: None))
    attempt('clone', lambda: clone(SIGCHLD))

    def thread():
        one = threading.Thread(target=lambda: None)
        one.start()
        one.join()

    attempt('thread', thread)
    attempt('posix_spawn', lambda: os.waitpid(os.posix_spawn('/usr/bin/true', ['true'], {}), 0))


def f07(_):
    names = 'mount 165 umount2 166 pivot_root 155 fsopen 430 fsconfig 431 fsmount 432 fspick 433 move_mount 429 open_tree 428 '
    names += 'mount_setattr 442 statmount 457 listmount 458 open_tree_attr 467 chroot 161'
    words = names.split()
    calls(dict(zip(words[::2], map(int, words[1::2]))))


def f08(_):
    calls({'init_module': 175, 'finit_module': 313, 'delete_module': 176})


def f09(_):
    calls({'kexec_load': 246, 'kexec_file_load': 320, 'reboot': 169})


def f10(_):
    names = 'swapon 167 swapoff 168 acct 163 quotactl 179 quotactl_fd 443 nfsservctl 180 iopl 172 ioperm 173 modify_ldt 154 uselib 134 '
    names += 'sysfs 139 ustat 136 lookup_dcookie 212 vhangup 153 syslog 103 sethostname 170'
    words = names.split()
    calls(dict(zip(words[::2], map(int, words[1::2]))))


def f11(given):
    """The whole chain: hold a directory, make a user namespace, mount over, write through what is held."""
    held = os.open(given['directory'], os.O_PATH)

    def chain():
        syscall(272, NAMESPACES['USER'] | NAMESPACES['NS'])
        os.makedirs('m', exist_ok=True)
        syscall(165, b'none', b'm', b'tmpfs', 0, 0)
        with open('/proc/self/fd/%d/victim' % held, 'w') as file:
            file.write('written')

    attempt('chain', lambda: in_child(chain))


def f12(_):
    moment = (ctypes.c_long * 2)(0, 2_000_000_000)
    attempt('clock_settime', lambda: syscall(227, 0, moment))
    attempt('settimeofday', lambda: syscall(164, 1, 1))
    wrong = ctypes.create_string_buffer(b'\0\x80', 256)
    attempt('adjtimex', lambda: syscall(159, wrong))
    attempt('clock_adjtime', lambda: syscall(305, 0, wrong))
    timer = syscall(283, 0, 0)
    spec = (ctypes.c_long * 4)(0, 0, 4_000_000_000, 0)
    attempt('cancel on set', lambda: syscall(286, timer, 3, spec, 0))
    attempt('timer', lambda: syscall(286, timer, 1, spec, 0))


def f14(_):
    for name, value in (('no randomize', 0x40000), ('read implies exec', 0x400000), ('linux32', 8)):
        attempt(name, lambda: in_child(lambda: syscall(135, value)))
    attempt('ask', lambda: syscall(135, 0xFFFFFFFF))


def f15(_):
    calls({'fanotify_init': 300, 'move_pages': 279, 'migrate_pages': 256, 'mbind': 237, 'set_mempolicy_home_node': 450, 'memfd_secret': 447})


def f16(_):
    made = []
    for family in range(0, 47):
        for kind in (1, 2, 3, 4, 5, 6, 10):
            for protocol in [0, 1, 2, 6, 17, 58, 132, 255] if family != 16 else range(23):
                for call in (41, 53):
                    try:
                        pair = (ctypes.c_int * 2)()
                        fd = syscall(call, family, kind, protocol, pair if call == 53 else 0)
                        os.close(pair[0] if call == 53 else fd)
                        if call == 53:
                            os.close(pair[1])
                        made.append('%s %d %d %d' % ('pair' if call == 53 else 'socket', family, kind, protocol))
                    except OSError as error:
                        answers.setdefault('errnos', {})
                        answers['errnos'][error.errno] = answers['errnos'].get(error.errno, 0) + 1
    answers['families'] = sorted({int(one.split()[1]) for one in made})
    answers['made'] = made if len(made) < 60 else len(made)


def code(bytes_):
    """Machine code as a function."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes_)
    pages.append(page)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))


def f17(_):
    attempt('int80 getpid', lambda: in_child(code(b'\xb8\x14\0\0\0\xcd\x80\xc3')))
    attempt('int80 socketcall', lambda: in_child(code(b'\xb8\x66\0\0\0\xcd\x80\xc3')))
    attempt('x32 getpid', lambda: in_child(lambda: syscall(0x40000000 | 39)))
    attempt('x32 execve', lambda: in_child(lambda: syscall(0x40000000 | 520)))
    attempt('minus one', lambda: syscall(-1))

    def in_a_thread():
        threading.Thread(target=lambda: libc.syscall(ctypes.c_long(0x40000027)), daemon=True).start()
        time.sleep(5)

    attempt('whole process', lambda: in_child(in_a_thread))


def f18(_):
    """All numbers, with zeros and with ones: what is not refused, by number. Calls that end or block us are left out."""
    skip = {0, 7, 15, 22, 23, 34, 35, 56, 57, 58, 59, 60, 61, 62, 109, 112, 128, 130, 200, 202, 219, 230, 231, 232, 234, 270, 271, 281, 322, 435, 441, 449}
    refused, others = [], []
    for number in [n for n in range(0, 600) if n not in skip]:
        pid = os.fork()
        if pid == 0:
            signal.alarm(1)
            result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6)
            os._exit(ctypes.get_errno() if result == -1 else 250)
        status = os.waitpid(pid, 0)[1]
        end = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1000 + os.WTERMSIG(status)
        (refused if end in (1, 38) else others).append(number)
    answers['refused'] = refused


def f19(_):
    file = os.open('/usr/bin/env', os.O_RDONLY)
    reader, writer = os.pipe()
    other = os.pipe()
    attempt('splice', lambda: syscall(275, file, 0, writer, 0, 100, 0))
    attempt('tee', lambda: syscall(276, reader, other[1], 100, 0))
    attempt('vmsplice', lambda: syscall(278, writer, (ctypes.c_long * 2)(ctypes.addressof(zeros), 8), 1, 0))
    one, two = socket.socketpair()
    attempt('sendfile', lambda: os.sendfile(one.fileno(), file, 0, 100))
    attempt('python copies', lambda: __import__('shutil').copyfile('/usr/bin/env', '/tmp/env'))


def f22(_):
    threads = [threading.Thread(target=time.sleep, args=(1,)) for _ in range(20)]
    for one in threads:
        one.start()
    tasks = os.listdir('/proc/self/task')
    wanted = (b'Seccomp:\t2', b'NoNewPrivs:\t1', b'CapEff:\t0000000000000000')
    answers['tasks'] = len(tasks)
    answers['confined'] = sum(all(line in read('/proc/self/task/%s/status' % task) for line in wanted) for task in tasks)


def f23(_):
    attempt('shmget', lambda: syscall(29, 0x4255, 4096, 0o1666))
    attempt('semget', lambda: syscall(64, 0x4255, 1, 0o1666))
    attempt('msgget', lambda: syscall(68, 0x4255, 0o1666))
    attempt('mq_open', lambda: syscall(240, b'bullpen-hostile', 0o102, 0o600, 0))


def f24(given):
    table = {'TIOCLINUX': 0x541C, 'TIOCSETD': 0x5423, 'TIOCCONS': 0x541D, 'KDSKBENT': 0x4B47, 'FIFREEZE': 0xC0045877, 'FICLONE': 0x40049409}
    table |= {'BLKGETSIZE': 0x1260, 'SIOCGIFCONF': 0x8912, 'FS_IOC_SETFLAGS': 0x40086602, 'TIOCSTI': 0x5412, 'FIBMAP': 1}
    file = os.openpty()[1] if 'terminal' in given else os.open('/work/probe.py', os.O_RDONLY)
    for name, number in table.items():
        for bits, high in (('', 0), (' high', 1 << 32)):
            attempt(name + bits, lambda: syscall(16, file, number | high, zeros))


def f26(_):
    for name, number in {'setuid': 105, 'setgid': 106, 'setreuid': 113, 'setregid': 114, 'setresuid': 117, 'setresgid': 119}.items():
        for value in (0, 999, 1001, 65534):
            attempt('%s %d' % (name, value), lambda: in_child(lambda: syscall(number, value, value, value)))
    attempt('setgroups', lambda: syscall(116, 1, (ctypes.c_uint * 1)(0)))
    header = (ctypes.c_uint * 2)(0x20080522, 0)
    attempt('capset', lambda: syscall(126, header, (ctypes.c_uint * 6)(*[0xFFFFFFFF] * 6)))
    attempt('ambient', lambda: prctl(47, 2, 21))


def prctl(*arguments):
    return syscall(157, *arguments, *[0] * (5 - len(arguments)))


def f27(_):
    for name, arguments in {'speculation': (53, 0, 2), 'mm': (35, 1, 0), 'securebits': (28, 0), 'ambient': (47, 2, 0), 'seccomp': (22, 1)}.items():
        attempt(name, lambda: in_child(lambda: prctl(*arguments)))


def f28(_):
    def jit():
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        page.write(b'\xc3')
        here = ctypes.addressof(ctypes.c_char.from_buffer(page))
        syscall(10, here, 4096, mmap.PROT_READ | mmap.PROT_EXEC)
        ctypes.CFUNCTYPE(None)(here)()

    attempt('jit', lambda: in_child(jit))


def f29(_):
    os.makedirs('/work/a/b', exist_ok=True)
    open('/work/a/b/f', 'w').close()
    attempt('link out', lambda: os.link('/usr/bin/env', '/work/env'))
    attempt('rename out', lambda: os.rename('/work/a/b/f', '/usr/f'))
    attempt('rename across', lambda: os.rename('/work/a/b/f', '/tmp/f'))
    attempt('link across', lambda: os.link('/work/a/b/f', '/dev/shm/f'))
    attempt('refer inside', lambda: os.rename('/work/a/b/f', '/work/f'))
    attempt('truncate', lambda: os.truncate('/usr/bin/env', 0))
    held = os.open('/usr/bin/env', os.O_PATH)
    attempt('reopen', lambda: os.close(os.open('/proc/self/fd/%d' % held, os.O_WRONLY)))
    inside = os.open('/work/a/b', os.O_PATH)
    os.rename('/work/a/b', '/work/b')
    attempt('disconnected', lambda: os.stat('../../../etc/shadow', dir_fd=inside))
    attempt('ruleset', lambda: syscall(444, 0, 0, 1))


if __name__ == '__main__':
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main({name: value for name, value in list(globals().items()) if name[0] == 'f' and name[1:3].isdigit()})
