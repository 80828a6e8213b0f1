"""Group J: from one job to another, and from a tenant to the next."""

import fcntl
import os
import socket
import sys
import time
import uuid

from probe import answers, attempt, main, read, syscall, write

PLACES = ['/work', '/tmp', '/var/tmp', '/dev/shm', '/run', '/home', '/', '/etc', '/usr/local']
PLANTED = '.bashrc .profile sitecustomize.py usercustomize.py x.pth .npmrc node_modules/x/index.js .config/pip/pip.conf core'.split()


def j01_leave(given):
    for place in PLACES:
        attempt(place, lambda: write(place + '/' + given['token'], given['token']))


def j01_look(given):
    found = []
    for top in PLACES:
        for directory, folders, names in os.walk(top):
            if directory.startswith(('/proc', '/usr/share', '/usr/lib', '/usr/include')):
                folders.clear()
            found += [directory + '/' + name for name in names + folders if given['token'] in name]
    answers['found'] = found


def j02(given):
    for home in ('/work', '/tmp'):
        for name in PLANTED:
            path = home + '/' + name
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write(path, 'raise SystemExit(99)  # exit 99\n')
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)


def j05(given):
    """What two jobs could meet at. Each looks for what the other may have left, then leaves its own."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    attempt('bind', lambda: one.bind('\0' + given['token']))
    other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    attempt('connect', lambda: other.connect('\0' + given['peer']))
    attempt('file', lambda: read('/tmp/' + given['peer']))
    write('/tmp/' + given['token'], 'x')
    time.sleep(given['seconds'])


def j21_hold(given):
    """Locks of files that all jobs share: a lamp that one lights and the other sees."""
    held = [os.open(path, os.O_RDONLY) for path in given['paths']]
    for file in held:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pass
    sys.stdout.write('{}')
    sys.stdout.flush()
    time.sleep(given['seconds'])
    os._exit(0)


def j21_look(given):
    for path in given['paths']:
        attempt('flock ' + path, lambda: fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB))


def j01_both(given):
    j01_leave(given)
    j01_look(given)


def j07(given):
    for path in given['paths']:
        attempt(path, lambda: os.listdir(path))


def j15(_):
    answers['random'] = [os.urandom(8).hex(), str(uuid.uuid4()), __import__('random').random()]
    answers['layout'] = [line.split('-')[0] for line in open('/proc/self/maps') if 'stack' in line or 'heap' in line]
    answers['hash'] = hash('bullpen')


def j17(given):
    os.write(2, given['token'].encode())
    write('out', given['token'])
    sys.stdout.write(given['token'])
    sys.stdout.flush()
    os._exit(given['code'])


if __name__ == '__main__':
    main({name: value for name, value in list(globals().items()) if name[0] == 'j' and name[1:3].isdigit()})
