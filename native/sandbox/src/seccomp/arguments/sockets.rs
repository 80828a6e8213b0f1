//! Calls on sockets that are decided by an argument: which sockets a job may make follows from its policy.

use super::super::table::{ALLOW, Entry, Match, ON_FIRST, Verdict, calls, refuse};

/// For every profile.
pub(in crate::seccomp) const ALWAYS: &[Entry] = &[Entry {
    calls: calls!(SYS_setsockopt),
    verdict: Verdict::By(SOCKET_OPTIONS),
    why: "Socket options, but none that loads a program or a protocol module into the kernel.",
}];

/// For a job without any network.
pub(in crate::seccomp) const LOCAL: &[Entry] = &[Entry {
    calls: calls!(SYS_socket SYS_socketpair),
    verdict: Verdict::By(UNIX_ONLY),
    why: "Talk between the job's own processes. EAFNOSUPPORT is what a kernel without the family answers.",
}];

/// For a job with a loopback interface of its own.
pub(in crate::seccomp) const LOOPBACK: &[Entry] = &[
    Entry {
        calls: calls!(SYS_socket),
        verdict: Verdict::By(UNIX_AND_INET),
        why: "TCP and UDP, and the netlink family by which libc lists interfaces. Other protocols load modules on demand.",
    },
    Entry {
        calls: calls!(SYS_socketpair),
        verdict: Verdict::By(UNIX_ONLY),
        why: "The only family that the kernel makes pairs of.",
    },
];

/// For a job with host paths.
pub(in crate::seccomp) const PAIRS: &[Entry] = &[
    Entry {
        calls: calls!(SYS_socket),
        verdict: refuse(libc::EAFNOSUPPORT),
        why: "A socket file in a host directory leads to a process of the host, and neither a read-only mount nor Landlock before its ninth version stands in the way.",
    },
    CONNECTED_PAIRS,
];

/// For a job with host paths and a loopback interface of its own.
pub(in crate::seccomp) const LOOPBACK_PAIRS: &[Entry] = &[
    Entry {
        calls: calls!(SYS_socket),
        verdict: Verdict::By(&Match { arms: INET_ARMS, ..FAMILIES }),
        why: "As with a loopback interface, but no Unix socket: its file could be the host's.",
    },
    CONNECTED_PAIRS,
];

const CONNECTED_PAIRS: Entry = Entry {
    calls: calls!(SYS_socketpair),
    verdict: Verdict::By(CONNECTED_UNIX),
    why: "Of the types that stay connected to each other: one end of a datagram pair could be connected to a socket file.",
};

const SOCKET_OPTIONS: &Match = &Match {
    argument: 1,
    arms: &[
        (&[libc::SOL_SOCKET as u32], Verdict::By(PROGRAMS_ON_SOCKETS)),
        (
            &[libc::IPPROTO_TCP as u32],
            Verdict::By(&Match { arms: &[(&[libc::TCP_ULP as u32], refuse(libc::EPERM))], ..ANY_OPTION }),
        ),
        // UDP_ENCAP
        (&[libc::IPPROTO_UDP as u32], Verdict::By(&Match { arms: &[(&[100], refuse(libc::EPERM))], ..ANY_OPTION })),
    ],
    otherwise: ALLOW,
    ..ON_FIRST
};

const ANY_OPTION: Match = Match { argument: 2, otherwise: ALLOW, ..ON_FIRST };

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

const FAMILIES: Match = Match { otherwise: refuse(libc::EAFNOSUPPORT), ..ON_FIRST };

const UNIX_ONLY: &Match = &Match { arms: &[(&[libc::AF_UNIX as u32], ALLOW)], ..FAMILIES };

const UNIX_AND_INET: &Match =
    &Match { arms: &[(&[libc::AF_UNIX as u32], ALLOW), INET_ARMS[0], INET_ARMS[1]], ..FAMILIES };

const CONNECTED_UNIX: &Match = &Match { arms: &[(&[libc::AF_UNIX as u32], Verdict::By(CONNECTED_TYPES))], ..FAMILIES };

/// The type of a socket: `SOCK_TYPE_MASK` of the kernel. Above it lie `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const TYPES: Match = Match { argument: 1, mask: 0xf, ..ON_FIRST };

const CONNECTED_TYPES: &Match =
    &Match { arms: &[(&[libc::SOCK_STREAM as u32, libc::SOCK_SEQPACKET as u32], ALLOW)], ..TYPES };

const INET_ARMS: &[(&[u32], Verdict)] = &[
    (&[libc::AF_INET as u32, libc::AF_INET6 as u32], Verdict::By(INET_TYPES)),
    (&[libc::AF_NETLINK as u32], Verdict::By(&Match { arms: &[(&[libc::NETLINK_ROUTE as u32], ALLOW)], ..PROTOCOLS })),
];

const INET_TYPES: &Match = &Match {
    arms: &[
        (
            &[libc::SOCK_STREAM as u32],
            Verdict::By(&Match { arms: &[(&[0, libc::IPPROTO_TCP as u32], ALLOW)], ..PROTOCOLS }),
        ),
        (
            &[libc::SOCK_DGRAM as u32],
            Verdict::By(&Match { arms: &[(&[0, libc::IPPROTO_UDP as u32], ALLOW)], ..PROTOCOLS }),
        ),
    ],
    ..TYPES
};

const PROTOCOLS: Match = Match { argument: 2, ..ON_FIRST };
