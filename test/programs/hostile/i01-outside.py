"""I01: metadata services, other hosts, everyone at once. With `here`, all of them are made to be this machine first."""

import socket
import subprocess
import threading
import time

from probe import answers, attempt, given, say

HOSTS = ['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '198.51.100.1', '224.0.0.1', '255.255.255.255']
HOSTS6 = ['fd00:ec2::254', 'fe80::1', '2001:db8::1']


def be_all_of_them():
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    for host in HOSTS[:5]:
        subprocess.run(['ip', 'address', 'add', host + '/32', 'dev', 'lo'], check=True)
    for host in (HOSTS6[0], HOSTS6[2]):
        subprocess.run(['ip', 'address', 'add', host + '/128', 'dev', 'lo', 'nodad'], check=True)
    server = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=lambda: [server.accept() for _ in range(7)], daemon=True).start()


def reach(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        if kind == socket.SOCK_DGRAM:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            one.sendto(b'canary', address)
        else:
            one.connect(address)


if 'here' in given:
    be_all_of_them()
began = time.monotonic()
for host in HOSTS:
    attempt(host, lambda: reach(socket.AF_INET, socket.SOCK_STREAM, (host, 80)))
    attempt('udp ' + host, lambda: reach(socket.AF_INET, socket.SOCK_DGRAM, (host, 53)))
for host in HOSTS6:
    attempt(host, lambda: reach(socket.AF_INET6, socket.SOCK_STREAM, (host, 80)))
answers['seconds'] = time.monotonic() - began
say()
