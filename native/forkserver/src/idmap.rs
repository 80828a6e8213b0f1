//! The one id that exists inside a sandbox.

use crate::ids::Ids;
use crate::step::{At, Failure, Step};
use crate::sys::{self, Cloned};
use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

/// Uid and gid of everything inside.
pub const INSIDE: u32 = 1000;

/// Maps [`INSIDE`] to the slot's ids, in the user namespace of `init`.
pub fn map(init: Pid, ids: Ids) -> Result<(), Failure> {
    let process = format!("/proc/{}", init.as_raw_nonzero());
    fs::write(format!("{process}/uid_map"), format!("{INSIDE} {} 1", ids.uid)).at(Step::UidMap)?;
    fs::write(format!("{process}/gid_map"), format!("{INSIDE} {} 1", ids.gid)).at(Step::GidMap)
}

/// A user namespace in which `owner` (uid and gid) is `slot` outside, and nobody else is anybody: what a mount needs to show the
/// owner's files as the slot's. It has no process.
pub fn lend(owner: (u32, u32), slot: u32) -> Result<OwnedFd, Failure> {
    let (child, pidfd) = match sys::clone3(libc::CLONE_NEWUSER, None).at(Step::HostPathOwner)? {
        Cloned::Child => sys::pause_forever(),
        Cloned::Parent { child, pidfd } => (child, pidfd),
    };
    let process = format!("/proc/{}", child.as_raw_nonzero());
    let namespace = fs::write(format!("{process}/uid_map"), format!("{} {slot} 1", owner.0))
        .and_then(|()| fs::write(format!("{process}/gid_map"), format!("{} {slot} 1", owner.1)))
        .and_then(|()| fs::File::open(format!("{process}/ns/user")));
    pidfd_send_signal(&pidfd, Signal::KILL).at(Step::HostPathOwner)?;
    waitpid(Some(child), WaitOptions::empty()).at(Step::HostPathOwner)?;
    namespace.map(OwnedFd::from).at(Step::HostPathOwner)
}

/// Makes `init` and everything it forks the first that the kernel kills when memory runs out.
pub fn offer_to_oom_killer(init: Pid) -> io::Result<()> {
    fs::write(format!("/proc/{}/oom_score_adj", init.as_raw_nonzero()), "1000")
}
