"""J06: another process, known by its number: seen, looked into, signalled; and how many processes there are to see."""

import os

from probe import answers, attempt, given, read, say

at = '/proc/%d' % given['peer']
attempt('stat', lambda: os.stat(at))
attempt('environment', lambda: read(at + '/environ'))
attempt('root', lambda: os.stat(at + '/root/work/bullpen-canary'))
attempt('signal', lambda: os.kill(given['peer'], 0))
attempt('pidfd', lambda: os.close(os.pidfd_open(given['peer'])))
answers['seen'] = len([name for name in os.listdir('/proc') if name.isdigit()])
say()
