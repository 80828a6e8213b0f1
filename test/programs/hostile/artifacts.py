"""Group B: what a job leaves for the worker to pick up."""

import os
import socket

from probe import attempt, main, write


def b01(given):
    for name in ('rootOnly', 'worldReadable'):
        os.symlink(given[name], name)
    os.symlink('/etc/passwd', 'passwd')
    os.symlink(os.path.dirname(given['worldReadable']), 'directory')
    os.symlink('/proc/self/root' + given['worldReadable'], 'magic')
    os.mkdir('real')
    write('real/file', 'x')
    os.symlink('real', 'inner')
    os.symlink('real/file', 'near')


def b02(_):
    for name in ('zero', 'urandom'):
        os.symlink('/dev/' + name, name)
    attempt('device', lambda: os.mknod('device', 0o020666, os.makedev(1, 5)))


def b03(_):
    os.mkfifo('fifo')


def b04(_):
    socket.socket(socket.AF_UNIX).bind('socket')
    os.mkdir('folder')
    write('one', 'x')
    os.link('one', 'two')


def b06(_):
    """Swaps what will be collected, from many processes, until it is killed."""
    os.mkdir('d')
    write('d/file', 'mine')
    for number in range(8):
        if os.fork() == 0:
            spare = 'spare%d' % number
            while True:
                for make in (lambda: os.symlink('/etc/passwd', spare), lambda: os.link('d/file', spare), lambda: write(spare, 'mine')):
                    try:
                        make()
                        os.rename(spare, 'out')
                    except OSError:
                        pass
    import time

    time.sleep(0.3)


def b08_build(given):
    for name in ('main.py', 'exec', 'stdin', 'data'):
        attempt(name, lambda: os.symlink(given['rootOnly'], name))


def b09(given):
    for name in ('rootOnly', 'worldReadable'):
        os.symlink(given[name], name)
    os.symlink('/etc', 'etc')
    attempt('chown', lambda: os.chown('rootOnly', 1000, 1000))
    attempt('chmod', lambda: os.chmod('worldReadable', 0o777))


def b15(given):
    os.mkdir('w')
    made = 0
    try:
        for made in range(given['files']):
            os.mknod('w/%d' % made)
    except OSError:
        pass


def b17(_):
    write('setuid', 'x')
    os.chmod('setuid', 0o6777)
    write('closed', 'x')
    os.chmod('closed', 0)
    import fcntl

    file = os.open('setuid', os.O_RDONLY)
    attempt('chattr', lambda: fcntl.ioctl(file, 0x40086602, b'\x10\0\0\0\0\0\0\0'))
    attempt('xattr', lambda: os.setxattr('setuid', 'user.x', b'x'))
    os.mkdir('shut')
    write('shut/file', 'x')
    os.chmod('shut', 0)
    os.chmod('/work', 0)


def b18(_):
    """Names that can't be shown, and some that only look so."""
    for name in (b'\xff\xfe', b'a\nb', b'esc\x1b[0m', b'\xed\xa0\x80', '\u202e\u200b'.encode(), b'<script>', b'=cmd|x', b'n' * 255):
        with open(name, 'wb') as file:
            file.write(b'x')


def b19(_):
    with open('sparse', 'wb') as file:
        file.truncate(60 << 20)


def b20(given):
    """Bytes that take six times as much as text in JSON, and at most four thirds in base64."""
    os.mkdir('out')
    for number in range(given['megabytes']):
        write('out/%d' % number, '\x01' * (1 << 20))


def b22(given):
    """The same, in every place that a result has."""
    block = b'\x01' * (given['megabytes'] << 20)
    os.mkdir('out')
    for number in range(given['files']):
        write('out/%d' % number, block.decode())
    for stream in (1, 2):
        left = memoryview(block)
        while left:
            left = left[os.write(stream, left) :]
    os._exit(0)


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] == 'b' and name[1:3].isdigit()})
