"""F17: system calls by the doors of 32-bit programs."""

import ctypes
import mmap
import os
import threading
import time

from probe import attempt, in_child, libc, say, syscall

pages = []


def code(instructions):
    """Machine code as a function."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(instructions)
    pages.append(page)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))


def in_a_thread():
    """A thread that dies alone leaves this one to end well."""
    threading.Thread(target=lambda: libc.syscall(ctypes.c_long(0x40000027)), daemon=True).start()
    time.sleep(1)


def old_elf():
    """`mov eax, 1; int 0x80` as a 32-bit program: exit."""
    header = b'\x7fELF\1\1\1' + bytes(9) + bytes.fromhex('0200030001000000548004083400000000000000000000003400200001000000' + '00000000')
    segment = bytes.fromhex('01000000' '00000000' '00800408' '00800408' '5f000000' '5f000000' '05000000' '00100000')
    with open('old', 'wb') as file:
        file.write(header + segment + bytes.fromhex('b80100000031dbcd80f4f4'))
    os.chmod('old', 0o755)
    os.execv('./old', ['old'])


attempt('int80 getpid', lambda: in_child(code(b'\xb8\x14\0\0\0\xcd\x80\xc3')))
attempt('int80 socketcall', lambda: in_child(code(b'\xb8\x66\0\0\0\xcd\x80\xc3')))
attempt('x32 getpid', lambda: in_child(lambda: syscall(0x40000000 | 39)))
attempt('x32 execve', lambda: in_child(lambda: syscall(0x40000000 | 520)))
attempt('32-bit program', lambda: in_child(old_elf))
attempt('minus one', lambda: syscall(-1))
attempt('whole process', lambda: in_child(in_a_thread))
say()
