"""I06: sockets of the host's services, by path and by abstract name."""

import socket

from probe import attempt, given, say

PATHS = ['/run/docker.sock', '/run/containerd/containerd.sock', '/run/dbus/system_bus_socket', '/run/systemd/notify']


def reach(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(path)


for path in PATHS:
    attempt(path, lambda: reach(path))
attempt('canary', lambda: reach(given['unixPath']))
attempt('abstract', lambda: reach('\0' + given['abstract']))
say()
