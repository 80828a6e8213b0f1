//! The compatible profile: everything but what is named. It adds to the dangerous calls and to the arguments that no
//! profile allows only what programs don't miss.

use super::arguments::descriptors::DEVICE_CONTROLS;
use super::arguments::process::PRIVILEGED_PRCTL;
use super::table::{Entry, Verdict, calls, refuse};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        calls: calls!(SYS_ioctl),
        verdict: Verdict::By(DEVICE_CONTROLS),
        why: "Terminals: typing for others, and lines and consoles; file systems: freezing, cloning out of a read-only file.",
    },
    Entry {
        calls: calls!(SYS_prctl),
        verdict: Verdict::By(PRIVILEGED_PRCTL),
        why: "Options that undo hardening or rewrite what the kernel says of the process.",
    },
    Entry {
        calls: calls!(SYS_ioprio_set SYS_sched_setscheduler SYS_sched_setattr SYS_sched_setparam),
        verdict: refuse(libc::EPERM),
        why: "Scheduling classes and I/O priorities are taken from the neighbours.",
    },
    Entry {
        calls: calls!(SYS_sync SYS_syncfs),
        verdict: refuse(libc::EPERM),
        why: "They flush the host's file systems; the workspace is memory.",
    },
];
