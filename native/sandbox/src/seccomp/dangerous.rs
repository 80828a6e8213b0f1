//! Calls that no profile allows.

use super::table::{Entry, refuse};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        calls: &["unshare", "setns"],
        verdict: refuse(libc::EPERM),
        why: "A new user namespace brings every capability inside it, and with that most of the kernel's bugs into reach.",
    },
    Entry {
        calls: &["clone3"],
        verdict: refuse(libc::ENOSYS),
        why: "Its flags lie in memory, where a filter can't see them; on ENOSYS libc and Go fall back to clone.",
    },
    Entry {
        calls: &[
            "mount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree",
            "open_tree_attr", "mount_setattr", "statmount", "listmount",
        ],
        verdict: refuse(libc::EPERM),
        why: "The mounts are the wall around the files. The last two tell how it is built.",
    },
    Entry {
        calls: &["name_to_handle_at", "open_by_handle_at"],
        verdict: refuse(libc::EPERM),
        why: "Handles open files by inode, past every mount and directory in between.",
    },
    Entry {
        calls: &["bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"],
        verdict: refuse(libc::EPERM),
        why: "The subsystems that most kernel exploits have come through, or that make the others reliable.",
    },
    Entry {
        calls: &["add_key", "request_key", "keyctl"],
        verdict: refuse(libc::EPERM),
        why: "Keyrings are not namespaced by what we unshare, and inherited ones may hold keys of the host.",
    },
    Entry {
        calls: &["init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot"],
        verdict: refuse(libc::EPERM),
        why: "They replace the kernel or parts of it.",
    },
    Entry {
        calls: &[
            "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl", "iopl", "ioperm", "modify_ldt", "uselib", "sysfs",
            "ustat", "lookup_dcookie", "vhangup", "sethostname", "setdomainname", "syslog",
        ],
        verdict: refuse(libc::EPERM),
        why: "Administration of the host, raw hardware, or relics that nothing current calls.",
    },
    Entry {
        calls: &["clock_settime", "settimeofday", "adjtimex", "clock_adjtime"],
        verdict: refuse(libc::EPERM),
        why: "The clock is the host's.",
    },
    Entry {
        calls: &["fanotify_init", "fanotify_mark"],
        verdict: refuse(libc::EPERM),
        why: "Watches what other jobs do with the files of a shared root.",
    },
    Entry {
        calls: &["move_pages", "migrate_pages", "mbind", "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node"],
        verdict: refuse(libc::EPERM),
        why: "Placement of memory on the host's nodes; also tells physical neighbourhood.",
    },
    Entry {
        calls: &["memfd_secret"],
        verdict: refuse(libc::EPERM),
        why: "Locked memory that nobody else can inspect or swap out.",
    },
    Entry {
        calls: &["pidfd_getfd", "kcmp", "process_madvise", "process_mrelease"],
        verdict: refuse(libc::EPERM),
        why: "They reach into other processes: the sandbox's own first process has the same user id.",
    },
];
