//! This process gives up its privileges, on all of its threads, for good.
//!
//! Needed after the forkserver was started: from then on only that and its shim may do anything that others may not. User and groups
//! are changed by libc, which does so on every thread; what the kernel keeps per thread beside them, each thread gives up for itself
//! (`threads.rs`). Then every thread's state is read back.

mod threads;

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

static DROPPED: AtomicBool = AtomicBool::new(false);

/// What a thread has none of, as the kernel shows it.
const NONE: &str = "0000000000000000";
/// No core file, and no program of the host's that is fed one (see the forkserver's `rlimits.rs`).
const CORE: u64 = 1;

/// Why the privileges could not be given up. What is left then is between the two: the process must end.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    #[error("privileges: user and group must be others than root's")]
    Root,
    #[error("privileges: {step}: {source}")]
    Step { step: &'static str, source: io::Error },
    /// The kernel shows a thread that still has something.
    #[error("privileges: thread {thread} has {field} {value}")]
    Kept { thread: u32, field: &'static str, value: String },
}

impl PrivilegeError {
    pub(crate) fn step(step: &'static str) -> impl FnOnce(io::Error) -> PrivilegeError {
        move |source| PrivilegeError::Step { step, source }
    }
}

/// Whether this process has given up its privileges.
pub fn are_dropped() -> bool {
    DROPPED.load(Ordering::Acquire)
}

/// Becomes `uid` and `gid` with no other group, no capability in any set and no way to get one; not dumpable. Blocks, for less than
/// a second. To be called as root, once, by the one thread that runs what comes next.
///
/// # Errors
/// Where a step fails or a thread doesn't follow. The process must then end.
pub fn drop_to(uid: u32, gid: u32) -> Result<(), PrivilegeError> {
    if uid == 0 || gid == 0 {
        return Err(PrivilegeError::Root);
    }
    threads::give_up().map_err(PrivilegeError::step("give up on every thread"))?;
    // SAFETY: no groups are read from the null pointer, as there are 0.
    check(unsafe { libc::setgroups(0, std::ptr::null()) }).map_err(PrivilegeError::step("setgroups"))?;
    // SAFETY: plain numbers. Unlike the system calls, libc's functions are about all threads.
    check(unsafe { libc::setresgid(gid, gid, gid) }).map_err(PrivilegeError::step("setresgid"))?;
    // SAFETY: likewise.
    check(unsafe { libc::setresuid(uid, uid, uid) }).map_err(PrivilegeError::step("setresuid"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| setrlimit(Resource::Core, Rlimit { current: Some(CORE), maximum: Some(CORE) }))
        .map_err(|errno| PrivilegeError::Step { step: "core", source: errno.into() })?;
    check_threads(uid, gid)?;
    DROPPED.store(true, Ordering::Release);
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn check_threads(uid: u32, gid: u32) -> Result<(), PrivilegeError> {
    for thread in threads::all().map_err(PrivilegeError::step("list threads"))? {
        match fs::read_to_string(format!("/proc/self/task/{thread}/status")) {
            Ok(status) => check_status(thread, &status, uid, gid)?,
            // It has ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(source) => return Err(PrivilegeError::Step { step: "read a thread's state", source }),
        }
    }
    Ok(())
}

fn check_status(thread: u32, status: &str, uid: u32, gid: u32) -> Result<(), PrivilegeError> {
    let four = |id: u32| [id.to_string(), id.to_string(), id.to_string(), id.to_string()].join("\t");
    let expected = [
        ("Uid", four(uid)),
        ("Gid", four(gid)),
        ("Groups", String::new()),
        ("CapInh", NONE.to_owned()),
        ("CapPrm", NONE.to_owned()),
        ("CapEff", NONE.to_owned()),
        ("CapBnd", NONE.to_owned()),
        ("CapAmb", NONE.to_owned()),
        ("NoNewPrivs", "1".to_owned()),
    ];
    for (field, expected) in expected {
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let value = line.unwrap_or("nothing").trim();
        if value != expected {
            return Err(PrivilegeError::Kept { thread, field, value: value.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DROPPED: &str = "Name:\tnode\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t \nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n";

    #[test]
    fn whatever_a_thread_kept_is_named() {
        assert!(check_status(1, DROPPED, 7, 8).is_ok());
        for (from, to, named) in [
            ("Uid:\t7\t7\t7\t7", "Uid:\t7\t7\t0\t7", "Uid"),
            ("Gid:\t8\t8\t8\t8", "Gid:\t0\t8\t8\t8", "Gid"),
            ("Groups:\t ", "Groups:\t0 4", "Groups"),
            ("CapBnd:\t0000000000000000", "CapBnd:\t0000000000000001", "CapBnd"),
            ("CapAmb:\t0000000000000000", "CapAmb:\t0000000000000400", "CapAmb"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs"),
            ("CapEff:\t0000000000000000\n", "", "CapEff"),
        ] {
            let status = DROPPED.replace(from, to);
            let kept = check_status(1, &status, 7, 8);
            assert!(matches!(kept, Err(PrivilegeError::Kept { field, .. }) if field == named), "{named}: {kept:?}");
        }
    }

    #[test]
    fn nobody_becomes_root_by_it() {
        assert!(matches!(drop_to(0, 5), Err(PrivilegeError::Root)));
        assert!(matches!(drop_to(5, 0), Err(PrivilegeError::Root)));
        assert!(!are_dropped());
    }
}
