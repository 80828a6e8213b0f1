"""H22: how soon the kernel would take this process when memory runs out, and whether that can be put off."""

from probe import answers, attempt, read, say, write

SCORE = '/proc/self/oom_score_adj'
attempt('raise', lambda: write(SCORE, '1000'))
attempt('lower', lambda: write(SCORE, '0'))
answers['after'] = int(read(SCORE))
say()
