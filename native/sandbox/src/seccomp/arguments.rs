//! Calls that are decided by an argument.
//!
//! Where a number has no constant in `libc`, its name in the kernel's headers stands beside it.

use super::table::{ALLOW, Action, Entry, Match, Verdict, calls, refuse};

const EVERY_BIT: u32 = u32::MAX;

/// For every profile.
pub(super) const ALWAYS: &[Entry] = &[
    Entry {
        calls: calls!(SYS_clone),
        verdict: Verdict::By(NEW_NAMESPACES),
        why: "Processes and threads, but no new namespaces (as unshare).",
    },
    Entry {
        calls: calls!(SYS_personality),
        verdict: Verdict::By(PERSONALITIES),
        why: "Asking is harmless; the rest turns off address randomisation or makes data executable.",
    },
    Entry {
        calls: calls!(SYS_prlimit64),
        verdict: Verdict::By(LIMITED_PROCESSES),
        why: "setrlimit in libc. The sandbox's first process has the job's user id, and a CPU limit on it would end the sandbox.",
    },
    Entry {
        calls: calls!(SYS_setsockopt),
        verdict: Verdict::By(SOCKET_OPTIONS),
        why: "Socket options, but none that loads a program or a protocol module into the kernel.",
    },
    Entry {
        calls: calls!(SYS_fcntl),
        verdict: Verdict::By(FCNTL),
        why: "Descriptor flags and locks. F_NOTIFY tells when other jobs touch a directory of the shared root.",
    },
    Entry {
        calls: calls!(SYS_mmap),
        verdict: Verdict::By(MAPPINGS),
        why: "Memory, but none of the host's huge pages: the memory cgroup doesn't count them. ENOMEM is what an empty pool answers.",
    },
    Entry {
        calls: calls!(SYS_memfd_create),
        verdict: Verdict::By(MEMORY_FILES),
        why: "Files in memory: shared buffers, programs. Of huge pages as mmap; EINVAL is what a kernel without them answers.",
    },
];

/// For a job without any network.
pub(super) const SOCKETS_LOCAL: &[Entry] = &[Entry {
    calls: calls!(SYS_socket SYS_socketpair),
    verdict: Verdict::By(UNIX_ONLY),
    why: "Talk between the job's own processes. EAFNOSUPPORT is what a kernel without the family answers.",
}];

/// For a job with a loopback interface of its own.
pub(super) const SOCKETS_LOOPBACK: &[Entry] = &[
    Entry {
        calls: calls!(SYS_socket),
        verdict: Verdict::By(UNIX_AND_INET),
        why: "TCP and UDP, and the netlink family by which libc lists interfaces. Other protocols load modules on demand.",
    },
    PAIRS,
];

/// For a job with host paths.
pub(super) const SOCKETS_PAIRS: &[Entry] = &[
    Entry {
        calls: calls!(SYS_socket),
        verdict: refuse(libc::EAFNOSUPPORT),
        why: "A socket file in a host directory leads to a process of the host, and neither a read-only mount nor Landlock before its ninth version stands in the way.",
    },
    CONNECTED_PAIRS,
];

/// For a job with host paths and a loopback interface of its own.
pub(super) const SOCKETS_LOOPBACK_PAIRS: &[Entry] = &[
    Entry {
        calls: calls!(SYS_socket),
        verdict: Verdict::By(&Match { arms: INET_ARMS, ..UNIX_ONLY_MATCH }),
        why: "As with a loopback interface, but no Unix socket: its file could be the host's.",
    },
    CONNECTED_PAIRS,
];

const CONNECTED_PAIRS: Entry = Entry {
    calls: calls!(SYS_socketpair),
    verdict: Verdict::By(CONNECTED_UNIX),
    why: "Of the types that stay connected to each other: one end of a datagram pair could be connected to a socket file.",
};

const PAIRS: Entry = Entry {
    calls: calls!(SYS_socketpair),
    verdict: Verdict::By(UNIX_ONLY),
    why: "The only family that the kernel makes pairs of.",
};

/// For the strict profile.
pub(super) const STRICT: &[Entry] = &[
    Entry {
        calls: calls!(SYS_ioctl),
        verdict: Verdict::By(IOCTLS),
        why: "Questions that programs ask of any descriptor; no device or terminal is there for the others.",
    },
    Entry {
        calls: calls!(SYS_prctl),
        verdict: Verdict::By(PRCTL),
        why: "Thread names, memory labels, flags of the process itself.",
    },
    Entry {
        calls: calls!(SYS_arch_prctl),
        verdict: Verdict::By(ARCH_PRCTL),
        why: "Thread-local storage, shadow stacks, wide registers.",
    },
    Entry {
        calls: calls!(SYS_mknod),
        verdict: Verdict::By(&Match { argument: 1, ..NODE_KINDS }),
        why: "mkfifo in libc. Devices, and the marks by which overlays hide files, are device nodes.",
    },
    Entry {
        calls: calls!(SYS_mknodat),
        verdict: Verdict::By(&Match { argument: 2, ..NODE_KINDS }),
        why: "As mknod, which libc calls by this name.",
    },
    Entry {
        calls: calls!(SYS_setuid SYS_setgid SYS_setfsuid SYS_setfsgid),
        verdict: Verdict::By(&OWN_ID),
        why: "To the one id that there is inside: programs that give up privileges expect it to work.",
    },
    Entry {
        calls: calls!(SYS_setreuid SYS_setregid),
        verdict: Verdict::By(&Match { argument: 1, arms: &[(OWN, Verdict::By(&OWN_ID))], ..OWN_ID }),
        why: "As setuid, for two ids at once.",
    },
    Entry {
        calls: calls!(SYS_setresuid SYS_setresgid),
        verdict: Verdict::By(THREE_OWN_IDS),
        why: "As setuid, for three: make calls it before it runs anything.",
    },
    Entry { calls: calls!(SYS_setpriority), verdict: Verdict::By(NICENESS), why: "nice may be kind to others only." },
    Entry {
        calls: calls!(SYS_timerfd_settime),
        verdict: Verdict::By(TIMER_FLAGS),
        why: "Timers of event loops; TFD_TIMER_CANCEL_ON_SET tells when the host's clock is set.",
    },
];

const NEW_NAMESPACES: &Match = &Match {
    argument: 0,
    mask: (libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET) as u32,
    arms: &[(&[0], ALLOW)],
    otherwise: Action::Refuse(libc::EPERM),
};

const PERSONALITIES: &Match = &Match {
    argument: 0,
    mask: EVERY_BIT,
    // PER_LINUX, and the value that only asks.
    arms: &[(&[0, 0xffff_ffff], ALLOW)],
    otherwise: Action::Refuse(libc::EPERM),
};

const LIMITED_PROCESSES: &Match =
    &Match { argument: 0, mask: EVERY_BIT, arms: &[(&[1], refuse(libc::EPERM))], otherwise: Action::Allow };

const SOCKET_OPTIONS: &Match = &Match {
    argument: 1,
    mask: EVERY_BIT,
    arms: &[
        (&[libc::SOL_SOCKET as u32], Verdict::By(PROGRAMS_ON_SOCKETS)),
        (
            &[libc::IPPROTO_TCP as u32],
            Verdict::By(&Match { arms: &[(&[libc::TCP_ULP as u32], refuse(libc::EPERM))], ..ANY_OPTION }),
        ),
        // UDP_ENCAP
        (&[libc::IPPROTO_UDP as u32], Verdict::By(&Match { arms: &[(&[100], refuse(libc::EPERM))], ..ANY_OPTION })),
    ],
    otherwise: Action::Allow,
};

const ANY_OPTION: Match = Match { argument: 2, mask: EVERY_BIT, arms: &[], otherwise: Action::Allow };

const PROGRAMS_ON_SOCKETS: &Match = &Match {
    arms: &[(
        &[
            libc::SO_ATTACH_FILTER as u32,
            libc::SO_ATTACH_BPF as u32,
            libc::SO_ATTACH_REUSEPORT_CBPF as u32,
            libc::SO_ATTACH_REUSEPORT_EBPF as u32,
        ],
        refuse(libc::EPERM),
    )],
    ..ANY_OPTION
};

const CONNECTED_UNIX: &Match =
    &Match { arms: &[(&[libc::AF_UNIX as u32], Verdict::By(CONNECTED_TYPES))], ..UNIX_ONLY_MATCH };

/// `SOCK_TYPE_MASK` of the kernel; above it are flags.
const CONNECTED_TYPES: &Match = &Match {
    argument: 1,
    mask: 0xf,
    arms: &[(&[libc::SOCK_STREAM as u32, libc::SOCK_SEQPACKET as u32], ALLOW)],
    otherwise: Action::Refuse(libc::EPERM),
};

const UNIX_ONLY: &Match = &UNIX_ONLY_MATCH;

const UNIX_ONLY_MATCH: Match = Match {
    argument: 0,
    mask: EVERY_BIT,
    arms: &[(&[libc::AF_UNIX as u32], ALLOW)],
    otherwise: Action::Refuse(libc::EAFNOSUPPORT),
};

const UNIX_AND_INET: &Match = &Match {
    argument: 0,
    mask: EVERY_BIT,
    arms: &[(&[libc::AF_UNIX as u32], ALLOW), INET_ARMS[0], INET_ARMS[1]],
    otherwise: Action::Refuse(libc::EAFNOSUPPORT),
};

const INET_ARMS: &[(&[u32], Verdict)] = &[
    (&[libc::AF_INET as u32, libc::AF_INET6 as u32], Verdict::By(INET_TYPES)),
    (
        &[libc::AF_NETLINK as u32],
        Verdict::By(&Match { arms: &[(&[libc::NETLINK_ROUTE as u32], ALLOW)], ..NO_PROTOCOL }),
    ),
];

const INET_TYPES: &Match = &Match {
    argument: 1,
    // SOCK_TYPE_MASK: above it lie SOCK_CLOEXEC and SOCK_NONBLOCK.
    mask: 0xf,
    arms: &[
        (
            &[libc::SOCK_STREAM as u32],
            Verdict::By(&Match { arms: &[(&[0, libc::IPPROTO_TCP as u32], ALLOW)], ..NO_PROTOCOL }),
        ),
        (
            &[libc::SOCK_DGRAM as u32],
            Verdict::By(&Match { arms: &[(&[0, libc::IPPROTO_UDP as u32], ALLOW)], ..NO_PROTOCOL }),
        ),
    ],
    otherwise: Action::Refuse(libc::EPERM),
};

const NO_PROTOCOL: Match = Match { argument: 2, mask: EVERY_BIT, arms: &[], otherwise: Action::Refuse(libc::EPERM) };

const IOCTLS: &Match = &Match {
    argument: 1,
    mask: EVERY_BIT,
    arms: &[(
        &[
            libc::TCGETS as u32,
            libc::TIOCGPGRP as u32,
            libc::TIOCOUTQ as u32,
            libc::TIOCGWINSZ as u32,
            libc::FIONREAD as u32,
            libc::FIONBIO as u32,
            libc::FIONCLEX as u32,
            libc::FIOCLEX as u32,
            0x5452, // FIOASYNC
        ],
        ALLOW,
    )],
    otherwise: Action::Refuse(libc::ENOTTY),
};

pub(super) const DEVICE_CONTROLS: &Match = &Match {
    argument: 1,
    mask: EVERY_BIT,
    arms: &[(
        &[
            libc::TIOCSTI as u32,
            libc::TIOCLINUX as u32,
            libc::TIOCCONS as u32,
            0x5423,      // TIOCSETD
            0x4b47,      // KDSKBENT
            0xc004_5877, // FIFREEZE
            0xc004_5878, // FITHAW
            0x4004_9409, // FICLONE
            0x4020_940d, // FICLONERANGE
            0xc018_9436, // FIDEDUPERANGE
        ],
        refuse(libc::EPERM),
    )],
    otherwise: Action::Allow,
};

const PRCTL: &Match = &Match {
    argument: 0,
    mask: EVERY_BIT,
    arms: &[
        (
            &[
                libc::PR_SET_PDEATHSIG as u32,
                libc::PR_GET_PDEATHSIG as u32,
                libc::PR_GET_DUMPABLE as u32,
                libc::PR_SET_DUMPABLE as u32,
                libc::PR_GET_KEEPCAPS as u32,
                libc::PR_SET_NAME as u32,
                libc::PR_GET_NAME as u32,
                libc::PR_GET_SECCOMP as u32,
                libc::PR_CAPBSET_READ as u32,
                libc::PR_GET_SECUREBITS as u32,
                libc::PR_SET_TIMERSLACK as u32,
                libc::PR_GET_TIMERSLACK as u32,
                libc::PR_SET_CHILD_SUBREAPER as u32,
                libc::PR_GET_CHILD_SUBREAPER as u32,
                libc::PR_SET_NO_NEW_PRIVS as u32,
                libc::PR_GET_NO_NEW_PRIVS as u32,
                libc::PR_GET_TID_ADDRESS as u32,
                libc::PR_SET_THP_DISABLE as u32,
                libc::PR_GET_THP_DISABLE as u32,
                65, // PR_SET_MDWE
                66, // PR_GET_MDWE
                libc::PR_SET_VMA as u32,
            ],
            ALLOW,
        ),
        (PRIVILEGED, refuse(libc::EPERM)),
    ],
    // What a kernel that doesn't know the option answers.
    otherwise: Action::Refuse(libc::EINVAL),
};

const PRIVILEGED: &[u32] = &[
    libc::PR_SET_SECCOMP as u32,
    libc::PR_CAPBSET_DROP as u32,
    libc::PR_SET_SECUREBITS as u32,
    libc::PR_MCE_KILL as u32,
    libc::PR_SET_MM as u32,
    libc::PR_CAP_AMBIENT as u32,
    libc::PR_SET_SPECULATION_CTRL as u32,
    57, // PR_SET_IO_FLUSHER
    59, // PR_SET_SYSCALL_USER_DISPATCH
    libc::PR_SCHED_CORE as u32,
    67, // PR_SET_MEMORY_MERGE
];

pub(super) const PRIVILEGED_PRCTL: &Match = &Match {
    argument: 0,
    mask: EVERY_BIT,
    arms: &[(
        &[
            libc::PR_SET_SECUREBITS as u32,
            libc::PR_SET_MM as u32,
            libc::PR_CAP_AMBIENT as u32,
            libc::PR_SET_SPECULATION_CTRL as u32,
            libc::PR_SCHED_CORE as u32,
            67, // PR_SET_MEMORY_MERGE
        ],
        refuse(libc::EPERM),
    )],
    otherwise: Action::Allow,
};

const ARCH_PRCTL: &Match = &Match {
    argument: 0,
    mask: EVERY_BIT,
    arms: &[(
        &[
            0x1001, 0x1002, 0x1003, 0x1004, // ARCH_{SET_GS, SET_FS, GET_FS, GET_GS}
            0x1021, 0x1022, 0x1023, // ARCH_{GET_XCOMP_SUPP, GET_XCOMP_PERM, REQ_XCOMP_PERM}
            0x5001, 0x5002, 0x5003, 0x5005, // ARCH_SHSTK_{ENABLE, DISABLE, LOCK, STATUS}
        ],
        ALLOW,
    )],
    otherwise: Action::Refuse(libc::EINVAL),
};

const MAPPINGS: &Match = &Match {
    argument: 3,
    mask: libc::MAP_HUGETLB as u32,
    arms: &[(&[0], ALLOW)],
    otherwise: Action::Refuse(libc::ENOMEM),
};

const MEMORY_FILES: &Match =
    &Match { argument: 1, mask: libc::MFD_HUGETLB, arms: &[(&[0], ALLOW)], otherwise: Action::Refuse(libc::EINVAL) };

const FCNTL: &Match = &Match {
    argument: 1,
    mask: EVERY_BIT,
    arms: &[(&[libc::F_NOTIFY as u32], refuse(libc::EPERM))],
    otherwise: Action::Allow,
};

const NODE_KINDS: Match = Match {
    argument: 1,
    mask: libc::S_IFMT,
    arms: &[(&[0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK], ALLOW)],
    otherwise: Action::Refuse(libc::EPERM),
};

/// User and group inside every sandbox, and the value by which an id is left as it is.
const OWN: &[u32] = &[1000, u32::MAX];

const OWN_ID: Match =
    Match { argument: 0, mask: EVERY_BIT, arms: &[(OWN, ALLOW)], otherwise: Action::Refuse(libc::EPERM) };

const THREE_OWN_IDS: &Match = &Match {
    argument: 2,
    arms: &[(OWN, Verdict::By(&Match { argument: 1, arms: &[(OWN, Verdict::By(&OWN_ID))], ..OWN_ID }))],
    ..OWN_ID
};

const NICENESS: &Match = &Match {
    argument: 2,
    mask: EVERY_BIT,
    arms: &[(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19], ALLOW)],
    otherwise: Action::Refuse(libc::EPERM),
};

const TIMER_FLAGS: &Match = &Match {
    argument: 1,
    // TFD_TIMER_CANCEL_ON_SET
    mask: 2,
    arms: &[(&[0], ALLOW)],
    otherwise: Action::Refuse(libc::EPERM),
};
