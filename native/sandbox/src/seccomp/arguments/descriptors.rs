//! Calls on memory, files and descriptors that are decided by an argument.

use super::super::table::{ALLOW, Entry, Match, ON_FIRST, Verdict, calls, refuse};

/// For every profile.
pub(in crate::seccomp) const ALWAYS: &[Entry] = &[
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

/// For the strict profile.
pub(in crate::seccomp) const STRICT: &[Entry] = &[
    Entry {
        calls: calls!(SYS_ioctl),
        verdict: Verdict::By(IOCTLS),
        why: "Questions that programs ask of any descriptor; no device or terminal is there for the others.",
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
        calls: calls!(SYS_timerfd_settime),
        verdict: Verdict::By(TIMER_FLAGS),
        why: "Timers of event loops; TFD_TIMER_CANCEL_ON_SET tells when the host's clock is set.",
    },
];

const FCNTL: &Match =
    &Match { argument: 1, arms: &[(&[libc::F_NOTIFY as u32], refuse(libc::EPERM))], otherwise: ALLOW, ..ON_FIRST };

const MAPPINGS: &Match = &Match {
    argument: 3,
    mask: libc::MAP_HUGETLB as u32,
    arms: &[(&[0], ALLOW)],
    otherwise: refuse(libc::ENOMEM),
    ..ON_FIRST
};

const MEMORY_FILES: &Match = &Match {
    argument: 1,
    mask: libc::MFD_HUGETLB,
    arms: &[(&[0], ALLOW)],
    otherwise: refuse(libc::EINVAL),
    ..ON_FIRST
};

const IOCTLS: &Match = &Match {
    argument: 1,
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
    otherwise: refuse(libc::ENOTTY),
    ..ON_FIRST
};

/// For the compatible profile, in place of the strict one's list.
pub(in crate::seccomp) const DEVICE_CONTROLS: &Match = &Match {
    argument: 1,
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
    otherwise: ALLOW,
    ..ON_FIRST
};

const NODE_KINDS: Match =
    Match { mask: libc::S_IFMT, arms: &[(&[0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK], ALLOW)], ..ON_FIRST };

const TIMER_FLAGS: &Match = &Match {
    argument: 1,
    // TFD_TIMER_CANCEL_ON_SET
    mask: 2,
    arms: &[(&[0], ALLOW)],
    ..ON_FIRST
};
