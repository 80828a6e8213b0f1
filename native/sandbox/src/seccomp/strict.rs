//! The strict profile: what may be called with any arguments, and what is refused by more than silence.
//! Calls with constrained arguments are in `arguments`; everything else is ENOSYS.

use super::table::{ALLOW, Entry, calls, refuse};

pub(super) const ALLOWED: &[Entry] = &[
    Entry {
        calls: calls!(
            SYS_read SYS_write SYS_pread64 SYS_pwrite64 SYS_readv SYS_writev SYS_preadv SYS_pwritev SYS_preadv2
            SYS_pwritev2 SYS_lseek SYS_open SYS_openat SYS_openat2 SYS_creat SYS_close SYS_close_range SYS_dup
            SYS_dup2 SYS_dup3 SYS_pipe SYS_pipe2
        ),
        verdict: ALLOW,
        why: "Every program. What can be opened is decided by the mounts.",
    },
    Entry {
        calls: calls!(
            SYS_stat SYS_fstat SYS_lstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_access SYS_faccessat
            SYS_faccessat2 SYS_getdents SYS_getdents64 SYS_getcwd SYS_chdir SYS_fchdir SYS_readlink SYS_readlinkat
            SYS_getxattr SYS_lgetxattr SYS_fgetxattr SYS_getxattrat SYS_listxattr SYS_llistxattr SYS_flistxattr
            SYS_listxattrat
        ),
        verdict: ALLOW,
        why: "Looking at files: shells, import machinery, ls and cp.",
    },
    Entry {
        calls: calls!(
            SYS_mkdir SYS_mkdirat SYS_rmdir SYS_unlink SYS_unlinkat SYS_rename SYS_renameat SYS_renameat2 SYS_link
            SYS_linkat SYS_symlink SYS_symlinkat SYS_truncate SYS_ftruncate SYS_fallocate SYS_fsync SYS_fdatasync
            SYS_sync_file_range SYS_fadvise64 SYS_readahead SYS_copy_file_range SYS_flock SYS_umask
        ),
        verdict: ALLOW,
        why: "Changing files: the workspace is the job's own, within its bytes and inodes.",
    },
    Entry {
        calls: calls!(
            SYS_chmod SYS_fchmod SYS_fchmodat SYS_fchmodat2 SYS_chown SYS_fchown SYS_lchown SYS_fchownat SYS_utime
            SYS_utimes SYS_utimensat SYS_futimesat
        ),
        verdict: ALLOW,
        why: "Metadata: cp -p, tar, git. There is one user and group id, so an owner can't change, and all mounts are nosuid.",
    },
    Entry {
        calls: calls!(
            SYS_poll SYS_ppoll SYS_select SYS_pselect6 SYS_epoll_create SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_wait
            SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd SYS_eventfd2 SYS_signalfd SYS_signalfd4 SYS_timerfd_create
            SYS_timerfd_gettime
        ),
        verdict: ALLOW,
        why: "Event loops: asyncio, libuv, the Go runtime.",
    },
    Entry {
        calls: calls!(
            SYS_brk SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_msync SYS_mlock SYS_mlock2
            SYS_mlockall SYS_munlock SYS_munlockall SYS_mseal SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect
            SYS_map_shadow_stack SYS_membarrier
        ),
        verdict: ALLOW,
        why: "Memory: allocators, just-in-time compilers, garbage collectors (mmap is under arguments). Locking is bounded to nothing by RLIMIT_MEMLOCK.",
    },
    Entry {
        calls: calls!(
            SYS_fork SYS_vfork SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid
            SYS_set_tid_address SYS_set_robust_list SYS_get_robust_list SYS_rseq SYS_getcpu SYS_futex SYS_futex_waitv
            SYS_futex_wake SYS_futex_wait SYS_futex_requeue
        ),
        verdict: ALLOW,
        why: "Processes and threads (clone is under arguments). Their number is bounded by the pids cgroup.",
    },
    Entry {
        calls: calls!(
            SYS_getpid SYS_getppid SYS_gettid SYS_getpgid SYS_getpgrp SYS_getsid SYS_setpgid SYS_setsid SYS_getuid
            SYS_geteuid SYS_getgid SYS_getegid SYS_getresuid SYS_getresgid SYS_getgroups SYS_capget SYS_capset
            SYS_getrlimit SYS_getrusage SYS_times SYS_sysinfo SYS_uname SYS_getpriority SYS_ioprio_get
        ),
        verdict: ALLOW,
        why: "Who and where am I. Capabilities are empty, so capset can only leave them so.",
    },
    Entry {
        calls: calls!(
            SYS_sched_yield SYS_sched_getaffinity SYS_sched_setaffinity SYS_sched_getparam SYS_sched_getscheduler
            SYS_sched_getattr SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_rr_get_interval
        ),
        verdict: ALLOW,
        why: "Thread pools count their CPUs, and pin to those they may use.",
    },
    Entry {
        calls: calls!(
            SYS_kill SYS_tkill SYS_tgkill SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigpending SYS_rt_sigtimedwait
            SYS_rt_sigsuspend SYS_rt_sigreturn SYS_rt_sigqueueinfo SYS_rt_tgsigqueueinfo SYS_sigaltstack SYS_pause
            SYS_restart_syscall
        ),
        verdict: ALLOW,
        why: "Signals reach no further than the job's own pid namespace.",
    },
    Entry {
        calls: calls!(
            SYS_alarm SYS_setitimer SYS_getitimer SYS_timer_create SYS_timer_settime SYS_timer_gettime
            SYS_timer_getoverrun SYS_timer_delete SYS_nanosleep SYS_clock_nanosleep SYS_clock_gettime SYS_clock_getres
            SYS_gettimeofday SYS_time
        ),
        verdict: ALLOW,
        why: "Reading and awaiting the time. Our own deadlines run elsewhere.",
    },
    Entry { calls: calls!(SYS_getrandom), verdict: ALLOW, why: "Hash seeds, uuids, TLS." },
    Entry {
        calls: calls!(
            SYS_connect SYS_bind SYS_listen SYS_accept SYS_accept4 SYS_getsockname SYS_getpeername SYS_getsockopt
            SYS_sendto SYS_recvfrom SYS_sendmsg SYS_recvmsg SYS_sendmmsg SYS_recvmmsg SYS_shutdown
        ),
        verdict: ALLOW,
        why: "Use of a socket; which ones can be made is under arguments.",
    },
];

pub(super) const REFUSED: &[Entry] = &[
    Entry {
        calls: calls!(SYS_splice SYS_vmsplice SYS_tee),
        verdict: refuse(libc::EPERM),
        why: "They put pages of shared files themselves into pipes, where kernel bugs made them writable. Programs copy instead.",
    },
    Entry {
        calls: calls!(SYS_sendfile),
        verdict: refuse(libc::EINVAL),
        why: "The same by another name. EINVAL is what runtimes take as 'not for this file': Python, libuv, Go and Rust then copy.",
    },
    Entry {
        calls: calls!(SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_seccomp),
        verdict: refuse(libc::EPERM),
        why: "Debugging, and filters that hand their decisions to another process.",
    },
    Entry { calls: calls!(SYS_setgroups), verdict: refuse(libc::EPERM), why: "There is one group inside." },
    Entry {
        calls: calls!(SYS_sched_setscheduler SYS_sched_setparam SYS_sched_setattr SYS_ioprio_set),
        verdict: refuse(libc::EPERM),
        why: "Scheduling classes and I/O priorities are taken from the neighbours.",
    },
    Entry {
        calls: calls!(SYS_sync SYS_syncfs),
        verdict: refuse(libc::EPERM),
        why: "They flush the host's file systems; the workspace is memory.",
    },
    Entry {
        calls: calls!(
            SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_setxattrat SYS_removexattr SYS_lremovexattr SYS_fremovexattr
            SYS_removexattrat
        ),
        verdict: refuse(libc::EOPNOTSUPP),
        why: "Kernel memory that belongs to no file's bytes, and the marks by which overlays hide and reveal files. What a file \
              system without attributes answers: cp -p and tar go on without.",
    },
];
