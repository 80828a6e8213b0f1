//! In a build for tests: rules of the filters that are left out, which allows what they are about.

use std::collections::BTreeMap;

use leave_out::{Part, is};

use super::assemble::{Code, answer};
use super::table::{ALLOW, Action, Call, Verdict};
use super::{Profile, Sockets};

/// Each rule, by the calls that it is about.
const RULES: &[(Part, &[&str])] = &[
    (
        Part::SeccompMount,
        &[
            "mount",
            "umount2",
            "pivot_root",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "mount_setattr",
            "statmount",
            "listmount",
        ],
    ),
    (Part::SeccompChroot, &["chroot"]),
    (Part::SeccompUnshare, &["unshare"]),
    (Part::SeccompSetns, &["setns"]),
    (Part::SeccompCloneFlags, &["clone"]),
    (Part::SeccompClone3, &["clone3"]),
    (Part::SeccompTracing, &["ptrace", "process_vm_readv", "process_vm_writev"]),
    (Part::SeccompOtherProcesses, &["pidfd_getfd", "kcmp", "process_madvise", "process_mrelease"]),
    (Part::SeccompBpf, &["bpf"]),
    (Part::SeccompPerf, &["perf_event_open"]),
    (Part::SeccompUserfaultfd, &["userfaultfd"]),
    (Part::SeccompIoUring, &["io_uring_setup", "io_uring_enter", "io_uring_register"]),
    (Part::SeccompKeys, &["add_key", "request_key", "keyctl"]),
    (Part::SeccompHandles, &["name_to_handle_at", "open_by_handle_at"]),
    (Part::SeccompModules, &["init_module", "finit_module", "delete_module"]),
    (Part::SeccompKexec, &["kexec_load", "kexec_file_load", "reboot"]),
    (
        Part::SeccompAdministration,
        &[
            "swapon",
            "swapoff",
            "acct",
            "quotactl",
            "quotactl_fd",
            "nfsservctl",
            "iopl",
            "ioperm",
            "modify_ldt",
            "uselib",
            "sysfs",
            "ustat",
            "lookup_dcookie",
            "vhangup",
            "sethostname",
            "setdomainname",
            "syslog",
        ],
    ),
    (Part::SeccompClock, &["clock_settime", "settimeofday", "adjtimex", "clock_adjtime"]),
    (
        Part::SeccompWatchers,
        &["fanotify_init", "fanotify_mark", "inotify_init", "inotify_init1", "inotify_add_watch", "fcntl"],
    ),
    (
        Part::SeccompMemoryPolicy,
        &["move_pages", "migrate_pages", "mbind", "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node"],
    ),
    (Part::SeccompPersonality, &["personality"]),
    (Part::SeccompPrlimit, &["prlimit64"]),
    (Part::SeccompScheduling, &["sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set"]),
    (Part::SeccompNiceness, &["setpriority"]),
    (Part::SeccompIoctl, &["ioctl"]),
    (Part::SeccompPrctl, &["prctl"]),
    (
        Part::SeccompIds,
        &["setuid", "setgid", "setfsuid", "setfsgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups"],
    ),
    (Part::SeccompNodes, &["mknod", "mknodat"]),
    (
        Part::SeccompXattr,
        &["setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr"],
    ),
    (Part::SeccompSockets, &["socket", "socketpair"]),
    (Part::SeccompSocketOptions, &["setsockopt"]),
    (Part::SeccompSplice, &["splice", "vmsplice", "tee"]),
    (Part::SeccompSendfile, &["sendfile"]),
    (Part::SeccompHugePages, &["mmap", "memfd_create"]),
    (Part::SeccompTimers, &["timerfd_settime"]),
];

/// Allows the calls of the rule that is left out, whatever their arguments.
pub(super) fn allow(verdicts: &mut BTreeMap<u32, Verdict>, profile: Profile, sockets: Sockets) {
    let with_host_paths = matches!(sockets, Sockets::Pairs | Sockets::LoopbackPairs);
    let unix: &[&str] = if with_host_paths { &["socket", "socketpair"] } else { &[] };
    let rules = RULES.iter().copied().chain([(Part::SeccompUnixWithHostPaths, unix)]);
    let calls: Vec<&str> = rules.filter(|(part, _)| is(*part)).flat_map(|(_, calls)| calls.iter().copied()).collect();
    for Call { name, number } in profile.entries(sockets).flat_map(|entry| entry.calls) {
        if calls.contains(name) {
            verdicts.insert(*number, ALLOW);
        }
    }
}

/// The instructions of the prologue that kill.
const FOREIGN_ARCHITECTURE: usize = 2;
const FOREIGN_NUMBER: usize = 6;

/// Lets foreign calls through.
pub(super) fn open_prologue(code: &mut Code) {
    for (part, at) in [(Part::SeccompForeignArchitecture, FOREIGN_ARCHITECTURE), (Part::SeccompX32, FOREIGN_NUMBER)] {
        if is(part) {
            code[at] = answer(Action::Allow);
        }
    }
}
