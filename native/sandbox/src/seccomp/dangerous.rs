//! Calls that no profile allows.

use super::table::{Entry, calls, refuse};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        calls: calls!(SYS_unshare SYS_setns),
        verdict: refuse(libc::EPERM),
        why: "A new user namespace brings every capability inside it, and with that most of the kernel's bugs into reach.",
    },
    Entry {
        calls: calls!(SYS_clone3),
        verdict: refuse(libc::ENOSYS),
        why: "Its flags lie in memory, where a filter can't see them; on ENOSYS libc and Go fall back to clone.",
    },
    Entry {
        calls: calls!(
            SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick
            SYS_move_mount SYS_open_tree SYS_open_tree_attr SYS_mount_setattr SYS_statmount SYS_listmount
        ),
        verdict: refuse(libc::EPERM),
        why: "The mounts are the wall around the files. The last two tell how it is built.",
    },
    Entry {
        calls: calls!(SYS_name_to_handle_at SYS_open_by_handle_at),
        verdict: refuse(libc::EPERM),
        why: "Handles open files by inode, past every mount and directory in between.",
    },
    Entry {
        calls: calls!(
            SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register
        ),
        verdict: refuse(libc::EPERM),
        why: "The subsystems that most kernel exploits have come through, or that make the others reliable.",
    },
    Entry {
        calls: calls!(SYS_add_key SYS_request_key SYS_keyctl),
        verdict: refuse(libc::EPERM),
        why: "Keyrings are not namespaced by what we unshare, and inherited ones may hold keys of the host.",
    },
    Entry {
        calls: calls!(SYS_init_module SYS_finit_module SYS_delete_module SYS_kexec_load SYS_kexec_file_load SYS_reboot),
        verdict: refuse(libc::EPERM),
        why: "They replace the kernel or parts of it.",
    },
    Entry {
        calls: calls!(
            SYS_swapon SYS_swapoff SYS_acct SYS_quotactl SYS_quotactl_fd SYS_nfsservctl SYS_iopl SYS_ioperm
            SYS_modify_ldt SYS_uselib SYS_sysfs SYS_ustat SYS_lookup_dcookie SYS_vhangup SYS_sethostname
            SYS_setdomainname SYS_syslog
        ),
        verdict: refuse(libc::EPERM),
        why: "Administration of the host, raw hardware, or relics that nothing current calls.",
    },
    Entry {
        calls: calls!(SYS_clock_settime SYS_settimeofday SYS_adjtimex SYS_clock_adjtime),
        verdict: refuse(libc::EPERM),
        why: "The clock is the host's.",
    },
    Entry {
        calls: calls!(SYS_fanotify_init SYS_fanotify_mark),
        verdict: refuse(libc::EPERM),
        why: "Watches what other jobs do with the files of a shared root.",
    },
    Entry {
        calls: calls!(SYS_inotify_init SYS_inotify_init1 SYS_inotify_add_watch SYS_inotify_rm_watch),
        verdict: refuse(libc::ENOSYS),
        why: "As fanotify. ENOSYS is what a kernel built without it answers: file watchers then poll.",
    },
    Entry {
        calls: calls!(
            SYS_move_pages SYS_migrate_pages SYS_mbind SYS_set_mempolicy SYS_get_mempolicy SYS_set_mempolicy_home_node
        ),
        verdict: refuse(libc::EPERM),
        why: "Placement of memory on the host's nodes; also tells physical neighbourhood.",
    },
    Entry {
        calls: calls!(SYS_memfd_secret),
        verdict: refuse(libc::EPERM),
        why: "Locked memory that nobody else can inspect or swap out.",
    },
    Entry {
        calls: calls!(SYS_pidfd_getfd SYS_kcmp SYS_process_madvise SYS_process_mrelease),
        verdict: refuse(libc::EPERM),
        why: "They reach into other processes: the sandbox's own first process has the same user id.",
    },
];
