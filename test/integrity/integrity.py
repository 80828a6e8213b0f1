"""Reads the files that all jobs share, as a job can reach them: names and dates of all, and the bytes of those that are run.

`integrity.py manifest DIRECTORY SEED FILE` writes a line for each file: path, size, mode, owner, times. Of a seeded sample and of
interpreters a SHA-256 besides. `integrity.py compare DIRECTORY SEED` prints the paths whose bytes in the page cache are not
those on the disk: of all programs and shared libraries of which anything lies in memory, and of the sample.
"""

import hashlib
import mmap
import os
import random
import stat
import subprocess
import sys

CHUNK = 1 << 20
SAMPLE = 300
ALWAYS = ('bin/python3', 'bin/bash', 'bin/env', 'bin/node', 'bin/gcc')


def files(top):
    for directory, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            seen = os.lstat(path)
            if stat.S_ISREG(seen.st_mode):
                yield path, seen


def is_program(path, seen):
    return seen.st_size > 0 and (seen.st_mode & 0o111 or '.so' in os.path.basename(path))


def sample(top, everything, seed):
    small = [path for path, seen in everything if seen.st_size < 1 << 24]
    chosen = random.Random(seed).sample(small, min(SAMPLE, len(small)))
    usual = [os.path.realpath(os.path.join(top, name)) for name in ALWAYS]
    return sorted(set(chosen) | {path for path in usual if os.path.isfile(path)})


def manifest(top, seed):
    everything = list(files(top))
    with open(sys.argv[4], 'w', errors='surrogateescape') as out:
        for path, seen in everything:
            print(path, seen.st_size, oct(seen.st_mode), seen.st_uid, seen.st_gid, seen.st_mtime_ns, seen.st_ctime_ns, file=out)
        for path in sample(top, everything, seed):
            with open(path, 'rb') as file:
                print(path, hashlib.file_digest(file, 'sha256').hexdigest(), file=out)


def resident(paths):
    """Those of which a page lies in memory: of the others there is nothing but what the disk has."""
    for at in range(0, len(paths), 500):
        lines = subprocess.run(['fincore', '--raw', '--bytes', '--noheadings', '-o', 'RES,FILE', *paths[at : at + 500]], capture_output=True, text=True)
        yield from (line.split(' ', 1)[1] for line in lines.stdout.splitlines() if not line.startswith('0 '))


def is_whole(path):
    cached, direct = os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY | os.O_DIRECT)
    room = mmap.mmap(-1, CHUNK)
    try:
        at = 0
        while True:
            count = os.preadv(direct, [room], at)
            if room[:count] != os.pread(cached, CHUNK, at):
                return False
            if count < CHUNK:
                return True
            at += count
    finally:
        os.close(cached)
        os.close(direct)


def compare(top, seed):
    everything = list(files(top))
    programs = [path for path, seen in everything if is_program(path, seen)]
    chosen = sorted(set(resident(programs)) | set(sample(top, everything, seed)))
    for path in chosen:
        if not is_whole(path):
            print(path)
    print('compared', len(chosen), 'of', len(programs), file=sys.stderr)


{'manifest': manifest, 'compare': compare}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
