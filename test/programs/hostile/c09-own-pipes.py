"""C09: the standard streams, opened in the other direction; stdout is read back, and written to by way of that. Answers on
stderr. With `log`, stdout is that file, which others have written to."""

import json
import os

from probe import answers, attempt, given

if 'log' in given:
    os.dup2(os.open(given['log'], os.O_RDWR | os.O_APPEND), 1)
for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
    attempt('open %d' % number, lambda: os.close(os.open('/proc/self/fd/%d' % number, flags | os.O_NONBLOCK)))
back = os.open('/proc/self/fd/1', os.O_RDONLY | os.O_NONBLOCK)
os.write(1, b'x' * 5000)
try:
    found = os.read(back, 10000)
except BlockingIOError:
    found = b''
answers['only ours'] = found.strip(b'x') == b''
os.close(1)
os.write(os.open('/proc/self/fd/%d' % back, os.O_WRONLY | os.O_APPEND), b'end')
os.write(2, json.dumps(answers).encode())
