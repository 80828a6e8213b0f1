"""I18: a server and its client, both this program."""

import socket

from probe import attempt, say


def serve(family, host, client):
    with socket.socket(family) as one:
        one.bind((host, 0))
        one.listen()
        with socket.socket(family) as other:
            other.settimeout(2)
            other.connect((client, one.getsockname()[1]))


attempt('0.0.0.0', lambda: serve(socket.AF_INET, '0.0.0.0', '127.0.0.1'))
attempt('::', lambda: serve(socket.AF_INET6, '::', '::1'))
say()
