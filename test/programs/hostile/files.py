"""Group A: out of the file system."""

import ctypes
import glob
import os

from probe import attempt, in_child, libc, main, read, syscall, write

AT_FDCWD = -100
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_NOSUID, MS_NODEV = 1, 32, 4096, 16384, 2, 4
MOUNT, UMOUNT2, PIVOT_ROOT, CHROOT, MOUNT_SETATTR = 165, 166, 155, 161, 442
NAME_TO_HANDLE_AT, OPEN_BY_HANDLE_AT, MKNODAT = 303, 304, 259


def a01(given):
    for name in ('rootOnly', 'worldReadable', 'source', 'shadow', 'runDir'):
        attempt(name, lambda: os.stat(given[name]) and (os.listdir if os.path.isdir(given[name]) else read)(given[name]))


def a02(given):
    """Looks for the canary below every root and working directory that /proc offers."""
    found = []
    for base in ['/proc/1/root', '/proc/1/cwd', '/proc/self/root', *glob.glob('/proc/[0-9]*/root'), *glob.glob('/proc/[0-9]*/cwd')]:
        try:
            read(base + given['worldReadable'])
            found.append(base)
        except OSError:
            pass
    attempt('canary', lambda: len(found) > 0, keep=True)
    attempt('init', lambda: os.listdir('/proc/1/root'))


def a03(_):
    """The classic way: a root below what is held open, then up past it."""
    os.mkdir('x')

    def climb():
        os.chroot('x')
        for _ in range(20):
            os.chdir('..')
        os.chroot('.')
        if os.stat('/').st_ino != outside:
            raise OSError(5, 'not out')

    outside = os.stat('/').st_ino
    attempt('chroot', lambda: in_child(climb))


def a04(given):
    """Every descriptor that may have come along, and the way up from it."""
    entered = []
    if 'hold' in given:
        os.open(given['hold'], os.O_RDONLY | os.O_DIRECTORY)
    for number in range(3, 1024):
        try:
            os.chdir('/proc/self/fd/%d' % number)
            for _ in range(20):
                os.chdir('..')
            entered.append([number, os.getcwd()])
            read('.' + given['worldReadable'])
        except OSError:
            pass
    attempt('entered', lambda: entered, keep=True)
    os.chdir('/')
    attempt('cwd', os.getcwd, keep=True)


def a05(_):
    class Handle(ctypes.Structure):
        _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int), ('data', ctypes.c_ubyte * 128)]

    handle, mount = Handle(128, 0), ctypes.c_int()
    attempt('name', lambda: syscall(NAME_TO_HANDLE_AT, AT_FDCWD, b'/usr', ctypes.byref(handle), ctypes.byref(mount), 0))
    root = os.open('/usr', os.O_RDONLY)
    if handle.type == 0:
        # Inode 2, generation 0: the root directory of an ext4.
        handle = Handle(8, 1, (ctypes.c_ubyte * 128)(2))
    attempt('open', lambda: syscall(OPEN_BY_HANDLE_AT, root, ctypes.byref(handle), os.O_RDONLY))


def a06(_):
    for name, kind, device in (('block', 0o060600, (8, 0)), ('char', 0o020600, (1, 1))):
        attempt(name, lambda: os.mknod(name, kind, os.makedev(*device)))
        attempt('open ' + name, lambda: os.close(os.open(name, os.O_RDONLY)))


def a08(_):
    def mount(flags, target=b'/'):
        return syscall(MOUNT, b'none', target, 0, flags, 0)

    class Attributes(ctypes.Structure):
        _fields_ = [(name, ctypes.c_ulonglong) for name in ('set', 'clear', 'propagation', 'userns')]

    clear = Attributes(0, MS_RDONLY, 0, 0)
    for target in (b'/', b'/usr'):
        attempt('remount %s' % target.decode(), lambda: mount(MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, target))
        attempt('setattr %s' % target.decode(), lambda: syscall(MOUNT_SETATTR, AT_FDCWD, target, 0x8000, ctypes.byref(clear), 32))


def a08_write(_):
    for path in ('/usr/bin/hostile', '/etc/hostile', '/hostile', '/usr/bin/python3', '/dev/hostile'):
        attempt(path, lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o755)))
    attempt('unlink', lambda: os.unlink('/usr/bin/env'))
    attempt('chmod', lambda: os.chmod('/usr/bin/env', 0o777))
    attempt('rename', lambda: os.rename('/usr/bin', '/usr/bin2'))
    attempt('utime', lambda: os.utime('/usr/bin/env', (0, 0)))


def a09(_):
    for path in ('/proc', '/usr', '/work', '/tmp', '/dev/shm', '/dev/null', '/'):
        for name, flags in (('plain', 0), ('lazy', 2), ('force', 1)):
            attempt('%s %s' % (name, path), lambda: syscall(UMOUNT2, path.encode(), flags))


def a09_control(_):
    for name, flags in (('plain', 0), ('lazy', 2), ('force', 1)):
        os.makedirs('m', exist_ok=True)
        syscall(MOUNT, b'none', b'm', b'tmpfs', 0, 0)
        attempt(name, lambda: syscall(UMOUNT2, b'm', flags))


def a12(_):
    for path in ('/proc/1/exe', '/proc/self/exe'):
        attempt('write ' + path, lambda: os.close(os.open(path, os.O_WRONLY)))
    attempt('read /proc/1/exe', lambda: read('/proc/1/exe'))


def a13(_):
    """Executables of the job's own: in memory, and in each place that it may write to."""
    program = read('/usr/bin/true', 1 << 20)

    def from_memory():
        memory = os.memfd_create('program')
        os.write(memory, program)
        os.execve(memory, ['true'], {})

    attempt('memfd', lambda: in_child(from_memory))
    for directory in ('/work', '/tmp', '/dev/shm'):
        path = directory + '/true'
        with open(path, 'wb') as file:
            file.write(program)
        os.chmod(path, 0o6755)
        attempt(directory, lambda: in_child(lambda: os.execv(path, ['true'])))


def a17(_):
    attempt('whiteout', lambda: os.mknod('whiteout', 0o020000, 0))
    attempt('opaque', lambda: os.setxattr('.', 'trusted.overlay.opaque', b'y'))
    attempt('user', lambda: os.setxattr('.', 'user.overlay.opaque', b'y'))


def a18(_):
    """The new mount calls, from a detached mount to one in place."""
    attempt('fsopen', lambda: syscall(430, b'tmpfs', 0))
    attempt('open_tree', lambda: syscall(428, AT_FDCWD, b'/', 1))
    attempt('move_mount', lambda: syscall(429, AT_FDCWD, b'/tmp', AT_FDCWD, b'/usr', 0))
    attempt('pivot_root', lambda: syscall(PIVOT_ROOT, b'/work', b'/work'))


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] == 'a' and name[1:3].isdigit()})
