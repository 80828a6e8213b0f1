"""H14: a child crashes with `megabytes` of memory, after asking for every core limit there is. Is there a core?"""

import os
import resource

from probe import answers, attempt, given, in_child, say


def crash():
    for limit in (0, 1, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (limit, resource.RLIM_INFINITY))
        except (OSError, ValueError):
            pass
    kept = bytearray(given['megabytes'] << 20)
    for at in range(0, len(kept), 4096):
        kept[at] = 1
    os.abort()


attempt('crash', lambda: in_child(crash))
answers['cores'] = len([name for name in os.listdir('.') if name.startswith('core')])
say()
