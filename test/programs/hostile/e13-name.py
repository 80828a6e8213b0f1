"""E13: a name that looks like more than a name, and no wish to die with its parent."""

from probe import attempt, libc, read, say

SET_PDEATHSIG, SET_NAME = 1, 15
attempt('name', lambda: libc.prctl(SET_NAME, b'x\nSeccomp:\t0\x1b', 0, 0, 0))
attempt('read', lambda: read('/proc/self/comm').decode(), keep=True)
attempt('pdeathsig', lambda: libc.prctl(SET_PDEATHSIG, 0, 0, 0, 0))
say()
