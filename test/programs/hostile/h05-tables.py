"""H05: pages two megabytes apart: their page tables cost as much again."""

import mmap

from probe import given

STEP, NORESERVE = 2 << 20, 0x4000
kept = []
for _ in range(given['megabytes'] * 64):
    here = mmap.mmap(-1, 2 * STEP, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
    here[0] = here[STEP] = 1
    kept.append(here)
