//! The plan that a shim's first forkserver accepted; every later one carries out the same or none.
//!
//! The first is sent by a worker that has all its privileges yet. Whoever holds the socket later may be a worker that was taken over and
//! would like other ids, directories or control groups.

use crate::step::{At, Failure, Step};
use forkserver::wire::HostPlan;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// What keeps a plan as it is, whoever has it open.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// A file in memory: the shim's, inherited by each forkserver.
pub struct Pin {
    file: File,
    /// Nobody was before: this one's plan is to be kept.
    is_first: bool,
}

impl Pin {
    /// Nothing is pinned yet.
    pub fn new() -> Result<Pin, Failure> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = memfd_create("bullpen-plan", flags).at(Step::HostPlan)?;
        Ok(Pin { file: memfd.into(), is_first: true })
    }

    /// A forkserver was started: whoever comes now is a later one.
    pub fn pass_on(&mut self) {
        self.is_first = false;
    }

    /// Refuses a later forkserver's plan unless it is the one that was kept.
    pub fn check(&self, plan: &HostPlan) -> Result<(), Failure> {
        if self.is_first {
            return Ok(());
        }
        let kept = self.read()?.ok_or_else(|| refusal("the first forkserver accepted none"))?;
        if kept == bytes_of(plan)? { Ok(()) } else { Err(refusal("another than the first forkserver's")) }
    }

    /// Keeps the plan that the first forkserver has carried out; a later one's is kept already.
    pub fn keep(self, plan: &HostPlan) -> Result<(), Failure> {
        if !self.is_first {
            return Ok(());
        }
        let mut file = self.file;
        file.write_all(&bytes_of(plan)?).at(Step::HostPlan)?;
        fcntl_add_seals(OwnedFd::from(file), SEALS).at(Step::HostPlan)
    }

    /// What was kept; `None` when nothing was, or not to its end.
    fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        if !fcntl_get_seals(&self.file).at(Step::HostPlan)?.contains(SEALS) {
            return Ok(None);
        }
        let length = self.file.metadata().at(Step::HostPlan)?.len();
        let mut kept = vec![0; usize::try_from(length).map_err(|_| Errno::FBIG).at(Step::HostPlan)?];
        self.file.read_exact_at(&mut kept, 0).at(Step::HostPlan)?;
        Ok(Some(kept))
    }
}

/// Two plans are one when these are: everything in a plan has an order.
fn bytes_of(plan: &HostPlan) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(plan).map_err(|_| Errno::INVAL).at(Step::HostPlan)
}

fn refusal(why: &str) -> Failure {
    Failure::new(Step::HostPlan, libc::EPERM).about(why)
}
