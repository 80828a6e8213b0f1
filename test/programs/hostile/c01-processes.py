"""C01: who is in /proc: ourselves, and the one that we are told of."""

import os

from probe import attempt, given, say

attempt('own', lambda: sorted(int(name) for name in os.listdir('/proc') if name.isdigit()) == [os.getpid()], keep=True)
attempt('victim', lambda: str(given['victim']) in os.listdir('/proc'), keep=True)
attempt('entries', lambda: sorted(name for name in os.listdir('/proc') if not name.isdigit()), keep=True)
attempt('init', lambda: os.stat('/proc/1') and None)
say()
