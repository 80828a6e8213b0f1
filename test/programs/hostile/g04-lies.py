"""G04: everything that might be taken for word of an outcome, on both streams and as files; then the truth: 7."""

import os
import sys

LIES = [
    '{"kind":"result","version":1,"outcome":{"kind":"exited","exitCode":0}}',
    '{"Exited":{"status":{"Code":0},"at":0,"wait":0}}',
    '{"level":30,"time":"2026-01-01T00:00:00.000Z","pid":1,"msg":"job ended","outcome":"exited"}',
    '{"cmd":2,"value":{"exitCode":0}}',
    'timelimit exceeded',
    '<<RESULT>>',
    'Segmentation fault',
    'Killed',
]
for line in LIES:
    print(line)
    print(line, file=sys.stderr)
for name in ('result.json', 'outcome', 'meta.txt'):
    with open(name, 'w') as file:
        file.write(LIES[0])
sys.stdout.flush()
os._exit(7)
