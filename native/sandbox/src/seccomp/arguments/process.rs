//! Calls about processes, their ids and limits that are decided by an argument.

use super::super::table::{ALLOW, Entry, Half, Match, ON_FIRST, Verdict, calls, refuse};

/// For every profile.
pub(in crate::seccomp) const ALWAYS: &[Entry] = &[
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
        calls: calls!(SYS_setrlimit),
        verdict: Verdict::By(&Match { arms: &[(CORE, refuse(libc::EPERM))], otherwise: ALLOW, ..ON_FIRST }),
        why: "Hard limits are set, so it can only lower. Not that of core dumps: it is 1, and at 0 a crash would start the \
              handler that core_pattern names on the host (fs/coredump.c).",
    },
    Entry {
        calls: calls!(SYS_prlimit64),
        verdict: Verdict::By(LIMITED_PROCESSES),
        why: "setrlimit and getrlimit in libc: the core limit may be read only. Nor may it reach the sandbox's first \
              process, which has the job's user id: a CPU limit on it would end the sandbox.",
    },
];

/// For the strict profile.
pub(in crate::seccomp) const STRICT: &[Entry] = &[
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
];

const NEW_NAMESPACES: &Match = &Match {
    mask: (libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET) as u32,
    arms: &[(&[0], ALLOW)],
    ..ON_FIRST
};

const PERSONALITIES: &Match = &Match {
    // PER_LINUX, and the value that only asks.
    arms: &[(&[0, 0xffff_ffff], ALLOW)],
    ..ON_FIRST
};

/// `unsigned int` in the kernel, like every number of a limit.
const CORE: &[u32] = &[libc::RLIMIT_CORE];

const LIMITED_PROCESSES: &Match =
    &Match { arms: &[(&[1], refuse(libc::EPERM))], otherwise: Verdict::By(LIMITS), ..ON_FIRST };

const LIMITS: &Match = &Match { argument: 1, arms: &[(CORE, Verdict::By(NO_NEW_LIMIT))], otherwise: ALLOW, ..ON_FIRST };

/// A null pointer is 64 bits of nothing: one with only its low half zero points to something.
const NO_NEW_LIMIT: &Match = &Match {
    argument: 2,
    arms: &[(&[0], Verdict::By(&Match { argument: 2, half: Half::High, arms: &[(&[0], ALLOW)], ..ON_FIRST }))],
    ..ON_FIRST
};

const PRCTL: &Match = &Match {
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
    otherwise: refuse(libc::EINVAL),
    ..ON_FIRST
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

/// For the compatible profile, in place of the strict one's list.
pub(in crate::seccomp) const PRIVILEGED_PRCTL: &Match = &Match {
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
    otherwise: ALLOW,
    ..ON_FIRST
};

const ARCH_PRCTL: &Match = &Match {
    arms: &[(
        &[
            0x1001, 0x1002, 0x1003, 0x1004, // ARCH_{SET_GS, SET_FS, GET_FS, GET_GS}
            0x1021, 0x1022, 0x1023, // ARCH_{GET_XCOMP_SUPP, GET_XCOMP_PERM, REQ_XCOMP_PERM}
            0x5001, 0x5002, 0x5003, 0x5005, // ARCH_SHSTK_{ENABLE, DISABLE, LOCK, STATUS}
        ],
        ALLOW,
    )],
    otherwise: refuse(libc::EINVAL),
    ..ON_FIRST
};

/// User and group inside every sandbox, and the value by which an id is left as it is.
const OWN: &[u32] = &[1000, u32::MAX];

const OWN_ID: Match = Match { arms: &[(OWN, ALLOW)], ..ON_FIRST };

const THREE_OWN_IDS: &Match = &Match {
    argument: 2,
    arms: &[(OWN, Verdict::By(&Match { argument: 1, arms: &[(OWN, Verdict::By(&OWN_ID))], ..OWN_ID }))],
    ..OWN_ID
};

const NICENESS: &Match = &Match {
    argument: 2,
    arms: &[(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19], ALLOW)],
    ..ON_FIRST
};
