"""F12: the host's clock. Each way of setting it is asked for with arguments that change nothing."""

import ctypes

from probe import attempt, say, syscall

moment = (ctypes.c_long * 2)(0, 2_000_000_000)
wrong = ctypes.create_string_buffer(b'\0\x80', 256)
attempt('clock_settime', lambda: syscall(227, 0, moment))
attempt('settimeofday', lambda: syscall(164, 1, 1))
attempt('adjtimex', lambda: syscall(159, wrong))
attempt('clock_adjtime', lambda: syscall(305, 0, wrong))
timer = syscall(283, 0, 0)
late = (ctypes.c_long * 4)(0, 0, 4_000_000_000, 0)
attempt('cancel on set', lambda: syscall(286, timer, 3, late, 0))
attempt('timer', lambda: syscall(286, timer, 1, late, 0))
say()
