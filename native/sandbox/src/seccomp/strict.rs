//! The strict profile: what may be called with any arguments, and what is refused by more than silence.
//! Calls with constrained arguments are in `arguments`; everything else is ENOSYS.

use super::table::{ALLOW, Entry, refuse};

pub(super) const ALLOWED: &[Entry] = &[
    Entry {
        calls: &[
            "read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "open", "openat",
            "openat2", "creat", "close", "close_range", "dup", "dup2", "dup3", "pipe", "pipe2", "memfd_create",
        ],
        verdict: ALLOW,
        why: "Every program. What can be opened is decided by the mounts.",
    },
    Entry {
        calls: &[
            "stat", "fstat", "lstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2", "getdents",
            "getdents64", "getcwd", "chdir", "fchdir", "readlink", "readlinkat", "getxattr", "lgetxattr", "fgetxattr", "getxattrat",
            "listxattr", "llistxattr", "flistxattr", "listxattrat",
        ],
        verdict: ALLOW,
        why: "Looking at files: shells, import machinery, ls and cp.",
    },
    Entry {
        calls: &[
            "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
            "truncate", "ftruncate", "fallocate", "fsync", "fdatasync", "sync_file_range", "fadvise64", "readahead", "copy_file_range",
            "flock", "umask",
        ],
        verdict: ALLOW,
        why: "Changing files: the workspace is the job's own, within its bytes and inodes.",
    },
    Entry {
        calls: &[
            "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "utimensat", "futimesat",
        ],
        verdict: ALLOW,
        why: "Metadata: cp -p, tar, git. There is one user and group id, so an owner can't change, and all mounts are nosuid.",
    },
    Entry {
        calls: &[
            "poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
            "eventfd", "eventfd2", "signalfd", "signalfd4", "timerfd_create", "timerfd_gettime",
        ],
        verdict: ALLOW,
        why: "Event loops: asyncio, libuv, the Go runtime.",
    },
    Entry {
        calls: &[
            "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "msync", "mlock", "mlock2", "mlockall", "munlock", "munlockall", "mseal",
            "pkey_alloc", "pkey_free", "pkey_mprotect", "map_shadow_stack", "membarrier",
        ],
        verdict: ALLOW,
        why: "Memory: allocators, just-in-time compilers, garbage collectors. Locking is bounded to nothing by RLIMIT_MEMLOCK.",
    },
    Entry {
        calls: &[
            "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "set_tid_address", "set_robust_list",
            "get_robust_list", "rseq", "getcpu", "futex", "futex_waitv", "futex_wake", "futex_wait", "futex_requeue",
        ],
        verdict: ALLOW,
        why: "Processes and threads (clone is under arguments). Their number is bounded by the pids cgroup.",
    },
    Entry {
        calls: &[
            "getpid", "getppid", "gettid", "getpgid", "getpgrp", "getsid", "setpgid", "setsid", "getuid", "geteuid", "getgid", "getegid",
            "getresuid", "getresgid", "getgroups", "capget", "capset", "getrlimit", "setrlimit", "getrusage", "times", "sysinfo", "uname",
            "getpriority", "ioprio_get",
        ],
        verdict: ALLOW,
        why: "Who and where am I. Capabilities are empty and hard limits set, so the two setters can only lower.",
    },
    Entry {
        calls: &[
            "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_getattr",
            "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval",
        ],
        verdict: ALLOW,
        why: "Thread pools count their CPUs, and pin to those they may use.",
    },
    Entry {
        calls: &[
            "kill", "tkill", "tgkill", "rt_sigaction", "rt_sigprocmask", "rt_sigpending", "rt_sigtimedwait", "rt_sigsuspend", "rt_sigreturn",
            "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sigaltstack", "pause", "restart_syscall",
        ],
        verdict: ALLOW,
        why: "Signals reach no further than the job's own pid namespace.",
    },
    Entry {
        calls: &[
            "alarm", "setitimer", "getitimer", "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete",
            "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
        ],
        verdict: ALLOW,
        why: "Reading and awaiting the time. Our own deadlines run elsewhere.",
    },
    Entry {
        calls: &["getrandom"],
        verdict: ALLOW,
        why: "Hash seeds, uuids, TLS.",
    },
    Entry {
        calls: &[
            "connect", "bind", "listen", "accept", "accept4", "getsockname", "getpeername", "getsockopt", "sendto", "recvfrom", "sendmsg",
            "recvmsg", "sendmmsg", "recvmmsg", "shutdown",
        ],
        verdict: ALLOW,
        why: "Use of a socket; which ones can be made is under arguments.",
    },
];

pub(super) const REFUSED: &[Entry] = &[
    Entry {
        calls: &["splice", "vmsplice", "tee"],
        verdict: refuse(libc::EPERM),
        why: "They put pages of shared files themselves into pipes, where kernel bugs made them writable. Programs copy instead.",
    },
    Entry {
        calls: &["sendfile"],
        verdict: refuse(libc::EINVAL),
        why: "The same by another name. EINVAL is what runtimes take as 'not for this file': Python, libuv, Go and Rust then copy.",
    },
    Entry {
        calls: &["ptrace", "process_vm_readv", "process_vm_writev", "seccomp"],
        verdict: refuse(libc::EPERM),
        why: "Debugging, and filters that hand their decisions to another process.",
    },
    Entry {
        calls: &[
            "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
        ],
        verdict: refuse(libc::EPERM),
        why: "There is one user and one group inside; nothing to change to.",
    },
    Entry {
        calls: &["sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set"],
        verdict: refuse(libc::EPERM),
        why: "Scheduling classes and I/O priorities are taken from the neighbours.",
    },
    Entry {
        calls: &["sync", "syncfs"],
        verdict: refuse(libc::EPERM),
        why: "They flush the host's file systems; the workspace is memory.",
    },
    Entry {
        calls: &[
            "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat",
        ],
        verdict: refuse(libc::EPERM),
        why: "Kernel memory that belongs to no file's bytes, and the marks by which overlays hide and reveal files.",
    },
];
