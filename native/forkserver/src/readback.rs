//! What the kernel says about a process: the lines of its status, and how long it ran and waited.
//!
//! The forkserver reads it from outside. From inside, the sandbox's own `/proc` hides a process that made itself non-dumpable
//! (`PR_SET_DUMPABLE`, or executing a file that it can't read): evidence must not be the guest's to withhold.

use forkserver::kernel;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};
use std::io;

/// `None` for what the kernel has already reaped.
pub fn unless_gone<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
        read => read.map(Some),
    }
}

/// How long the main thread of a process ran, and how long it was runnable without running, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    pub ran: u64,
    pub waited: u64,
}

/// Of any process that we may look at. It may be dead, but not reaped.
pub fn scheduled(process: Pid) -> io::Result<Scheduled> {
    read_schedstat(&process.as_raw_nonzero().to_string())
}

/// Of this process, for itself.
pub fn own_scheduled() -> io::Result<Scheduled> {
    read_schedstat("self")
}

fn read_schedstat(process: &str) -> io::Result<Scheduled> {
    let text = kernel::read(&format!("/proc/{process}/schedstat"))?;
    let (ran, waited) = kernel::schedstat(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Scheduled { ran, waited })
}
