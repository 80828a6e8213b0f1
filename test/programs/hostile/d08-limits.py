"""D08: the limits of a process, and how far each moves."""

import resource

from probe import answers, say

for name in 'CORE CPU DATA FSIZE MEMLOCK MSGQUEUE NICE NOFILE RSS RTPRIO SIGPENDING STACK'.split():
    kind = getattr(resource, 'RLIMIT_' + name)
    soft, hard = resource.getrlimit(kind)
    answers[name] = [soft, hard]
    if hard != resource.RLIM_INFINITY:
        try:
            resource.setrlimit(kind, (hard, hard))
            answers['within ' + name] = 'ok'
            resource.setrlimit(kind, (hard, hard + 1))
            answers['raise ' + name] = 'ok'
        except (OSError, ValueError):
            answers['raise ' + name] = 'EPERM'
say()
