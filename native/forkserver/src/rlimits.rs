//! Limits of a single process. Memory, processes and CPU are the cgroup's: `RLIMIT_AS` and `RLIMIT_NPROC` would only say it worse; the latter is used where there is no cgroup for processes.

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
        (Resource::Core, CORE),
        (Resource::Nofile, open_files),
        (Resource::Fsize, file_size_bytes),
        (Resource::Stack, STACK),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Sigpending, PENDING_SIGNALS),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}
