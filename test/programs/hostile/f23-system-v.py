"""F23: shared memory, semaphores and queues, which outlive who made them."""

from probe import attempt, say, syscall

KEY = 0x4255
attempt('shmget', lambda: syscall(29, KEY, 4096, 0o1666))
attempt('semget', lambda: syscall(64, KEY, 1, 0o1666))
attempt('msgget', lambda: syscall(68, KEY, 0o1666))
attempt('mq_open', lambda: syscall(240, b'bullpen-hostile', 0o102, 0o600, 0))
say()
