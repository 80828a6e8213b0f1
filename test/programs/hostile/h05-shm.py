"""H05: a file below `at`, in a file system that is memory."""

from probe import given

with open(given['at'] + '/x', 'wb', 0) as file:
    for _ in range(given['megabytes']):
        file.write(b'x' * (1 << 20))
