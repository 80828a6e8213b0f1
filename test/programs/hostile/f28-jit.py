"""F28: memory that is written first and executed then, as just-in-time compilers do."""

import ctypes
import mmap

from probe import attempt, given, in_child, say, syscall

PR_SET_MDWE, REFUSE_EXEC_GAIN, MPROTECT = 65, 1, 10


def jit():
    if 'mdwe' in given:
        syscall(157, PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    page.write(b'\xc3')
    here = ctypes.addressof(ctypes.c_char.from_buffer(page))
    syscall(MPROTECT, here, 4096, mmap.PROT_READ | mmap.PROT_EXEC)
    ctypes.CFUNCTYPE(None)(here)()


attempt('jit', lambda: in_child(jit))
say()
