//! The one id that exists inside a sandbox.

use crate::step::{At, Failure, Step};
use rustix::process::Pid;
use std::fs;
use std::io;

/// Uid and gid of everything inside.
pub const INSIDE: u32 = 1000;

/// Maps [`INSIDE`] to the slot's own host id, in the user namespace of `init`.
pub fn map(init: Pid, outside: u32) -> Result<(), Failure> {
    let line = format!("{INSIDE} {outside} 1");
    let process = format!("/proc/{}", init.as_raw_nonzero());
    fs::write(format!("{process}/uid_map"), &line).at(Step::UidMap)?;
    fs::write(format!("{process}/gid_map"), &line).at(Step::GidMap)
}

/// Makes `init` and everything it forks the first that the kernel kills when memory runs out.
pub fn offer_to_oom_killer(init: Pid) -> io::Result<()> {
    fs::write(format!("/proc/{}/oom_score_adj", init.as_raw_nonzero()), "1000")
}
