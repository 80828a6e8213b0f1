"""E01: whom it can see: a sample of all process ids, and those that it is told of."""

import os

from probe import answers, attempt, given, say

seen = []
for pid in [*range(1, 3000), *range(3000, 4_194_304, 997)]:
    try:
        os.kill(pid, 0)
        seen.append(pid)
    except ProcessLookupError:
        pass
    except PermissionError:
        seen.append(-pid)
answers['seen'] = sorted(set(seen) - {os.getpid()})
for name in ('victim', 'neighbour'):
    attempt(name, lambda: os.kill(given[name], 0))
say()
