//! Limits of a single process. Memory, processes and CPU are the cgroup's: `RLIMIT_AS` and `RLIMIT_NPROC` would only say it worse; the latter is used where there is no cgroup for processes.

use leave_out::Part;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Bytes of stack: the usual size, also as the most that can be asked for.
const STACK: u64 = 8 * 1024 * 1024;
/// Signals that may be queued: enough for real-time signals and timers, little enough not to matter as kernel memory.
const PENDING_SIGNALS: u64 = 1024;
/// No core dump, and no program of the host's that is fed one. With a limit of 0 the kernel still starts a handler that
/// `core_pattern` names after a `|`, as root and outside of the sandbox; with exactly 1 it starts none (`fs/coredump.c`: "cprm.limit
/// of 1 here as a special value"), and a file of 1 byte is below what it writes.
pub const CORE: u64 = 1;

/// Tasks that the user may have in its user namespace, which is the sandbox's own: everything in it counts, PID 1 too.
pub fn limit_tasks(tasks: u64) -> Result<(), Errno> {
    setrlimit(Resource::Nproc, Rlimit { current: Some(tasks), maximum: Some(tasks) })
}

pub fn apply(open_files: u64, file_size_bytes: u64) -> Result<(), Errno> {
    let limits = [
        (Resource::Core, CORE, Part::RlimitCore),
        (Resource::Nofile, open_files, Part::RlimitNofile),
        (Resource::Fsize, file_size_bytes, Part::RlimitFsize),
        (Resource::Stack, STACK, Part::RlimitStack),
        (Resource::Memlock, 0, Part::RlimitMemlock),
        (Resource::Msgqueue, 0, Part::RlimitMsgqueue),
        (Resource::Sigpending, PENDING_SIGNALS, Part::RlimitSigpending),
    ];
    for (resource, limit, _) in limits.into_iter().filter(|(_, _, part)| !leave_out::is(*part)) {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// Most that `/proc/PID/limits` may show of what [`apply`] sets to constants.
const SHOWN: [(&str, u64); 5] = [
    ("Max core file size", CORE),
    ("Max stack size", STACK),
    ("Max locked memory", 0),
    ("Max msgqueue size", 0),
    ("Max pending signals", PENDING_SIGNALS),
];

/// How many files may be open by the text of `/proc/PID/limits`; what differs in it, if one of the others is laxer than it was set.
/// `tasks`: what [`limit_tasks`] was given.
pub fn read_back(limits: &str, tasks: Option<u64>) -> Result<u64, String> {
    let hard = |name: &str| -> Option<u64> {
        let values = limits.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("  "))?;
        values.split_whitespace().nth(1)?.parse().ok()
    };
    let tasks = tasks.map(|tasks| ("Max processes", tasks));
    if let Some((name, _)) = SHOWN.into_iter().chain(tasks).find(|(name, most)| hard(name).is_none_or(|is| is > *most))
    {
        return Err(name.to_owned());
    }
    hard("Max file size").ok_or("Max file size")?;
    hard("Max open files").ok_or("Max open files".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max file size             67112960             67112960             bytes     \n\
Max stack size            8388608              8388608              bytes     \n\
Max core file size        1                    1                    bytes     \n\
Max processes             65                   65                   processes \n\
Max open files            64                   256                  files     \n\
Max locked memory         0                    0                    bytes     \n\
Max pending signals       1024                 1024                 signals   \n\
Max msgqueue size         0                    0                    bytes     \n";

    #[test]
    fn the_hard_limit_of_open_files_is_read() {
        assert_eq!(read_back(LIMITS, None), Ok(256));
    }

    #[test]
    fn a_laxer_limit_and_a_missing_one_are_noticed() {
        let changed = |from: &str, to: &str| read_back(&LIMITS.replace(from, to), Some(65)).expect_err("noticed");
        assert_eq!(changed("1                    1   ", "1                    2   "), "Max core file size");
        assert_eq!(
            changed("0                    0                    bytes     \nMax pend", "0   1  bytes\nMax pend"),
            "Max locked memory"
        );
        assert_eq!(changed("67112960             67112960", "unlimited            unlimited"), "Max file size");
        assert_eq!(changed("Max open files", "Max other files"), "Max open files");
        assert_eq!(changed("65                   65", "66                   66"), "Max processes");
    }

    #[test]
    fn a_program_that_lowered_its_own_is_no_difference() {
        assert!(read_back(&LIMITS.replace("1024                 1024", "8                    8"), Some(65)).is_ok());
    }
}
