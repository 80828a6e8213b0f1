"""Watches, for the canaries, what Node has no calls for: a vsock listener, a key in the session keyring, files read past
the page cache. One line of JSON in, one out; ends with its stdin."""

import ctypes
import hashlib
import json
import mmap
import os
import select
import socket
import sys

ADD_KEY, KEYCTL = 248, 250
ID, READ, INVALIDATE, SESSION = 0, 11, 21, ctypes.c_long(-3)
BLOCK = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), 'keyring')
    return result


def listen():
    """On any port of any context id; None where this kernel has no vsock."""
    try:
        server = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
        server.bind((socket.VMADDR_CID_ANY, 0xFFFFFFFF))
        server.listen()
        server.setblocking(False)
        return server
    except OSError:
        return None


def plant(name, secret):
    """The key, in the session keyring that the worker has too; None where there are no keys. The keyring is named by its
    number: adding to `SESSION` would make a new one for us alone."""
    try:
        ring = ctypes.c_long(call(KEYCTL, ID, SESSION, 0))
        return call(ADD_KEY, b'user', name.encode(), secret.encode(), len(secret), ring)
    except OSError:
        return None


def payload(key):
    buffer = ctypes.create_string_buffer(256)
    try:
        size = call(KEYCTL, READ, ctypes.c_long(key), buffer, 256)
        return buffer.raw[:size].decode()
    except OSError as error:
        return os.strerror(error.errno)


def digest(path, flags):
    """O_DIRECT wants memory that begins at a page."""
    file, block, sha = os.open(path, os.O_RDONLY | flags), mmap.mmap(-1, BLOCK), hashlib.sha256()
    while (size := os.readv(file, [block])) > 0:
        sha.update(memoryview(block)[:size])
    os.close(file)
    return sha.hexdigest()


def main():
    order = json.loads(sys.stdin.readline())
    server, key, heard = listen(), plant(order['key'], order['secret']), 0
    print(json.dumps({'vsockPort': server.getsockname()[1] if server else None, 'key': key}), flush=True)
    while True:
        ready = select.select([sys.stdin, *([server] if server else [])], [], [])[0]
        if server in ready:
            server.accept()[0].close()
            heard += 1
        if sys.stdin in ready:
            line = sys.stdin.readline()
            if not line:
                break
            paths = json.loads(line)['hash']
            hashes = {path: [digest(path, 0), digest(path, os.O_DIRECT)] for path in paths}
            print(json.dumps({'vsock': heard, 'key': payload(key) if key else None, 'hashes': hashes}), flush=True)
    if key:
        call(KEYCTL, INVALIDATE, ctypes.c_long(key))


main()
