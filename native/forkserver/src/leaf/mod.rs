//! cgroups: a fresh leaf for every sandbox, never used twice, in each hierarchy of this host.
//!
//! A host has v2 (one hierarchy with all controllers), v1 (a hierarchy for each), both (hybrid: v1 has the controllers, and a
//! v2 leaf beside them kills), or less than what is needed. Which controller is where the library says; what a leaf does with
//! them is the same everywhere ([`Memory`], [`Tasks`], [`Cpu`]).

mod accounts;
mod directory;
mod house;
mod husks;
mod pids;
mod polling;
mod v1;
mod v2;

pub use accounts::{Alarm, Cpu, Memory, Tasks};
pub use house::Hierarchies;

use self::directory::Directory;
use self::polling::Tree;
use rustix::fs::OFlags;
use rustix::io::{Errno, write};
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// The period of CPU limits. The kernel takes no quota below 1 ms, so this is the shortest one in which the smallest share (10
/// thousandths of a CPU) can be said.
const CPU_PERIOD_US: u64 = 100_000;
const PAGE: u64 = 4096;

/// One sandbox's cgroup in all hierarchies.
pub struct Leaf {
    name: String,
    /// One for each place of the house, in its order.
    directories: Vec<Rc<Directory>>,
    /// Those that a process has to enter by itself.
    v1: Vec<Rc<Directory>>,
    /// The one that a process is born in.
    v2: Option<Rc<Directory>>,
    processes: Rc<Tree>,
    pub memory: Box<dyn Memory>,
    pub tasks: Box<dyn Tasks>,
    pub cpu: Box<dyn Cpu>,
}

impl Leaf {
    /// The sandbox's first process is there.
    pub fn begin(&self, init: Pid) {
        self.processes.begin(init.as_raw_nonzero().get());
    }

    /// It was reaped, and with it everybody is dead; they used so much CPU time (ns), as far as their parents waited for them.
    pub fn end(&self, cpu: u64) {
        self.processes.end();
        self.cpu.ended(cpu);
    }

    /// Where the sandbox's first process is to be born.
    pub fn birthplace(&self) -> Option<BorrowedFd<'_>> {
        self.v2.as_ref().map(|directory| directory.as_fd())
    }

    /// Descriptors through which it then enters the rest by itself ([`enter`]), whatever its rights are by then.
    pub fn doors(&self) -> Result<Vec<OwnedFd>, Errno> {
        self.v1.iter().map(|directory| directory.file("cgroup.procs", OFlags::WRONLY)).collect()
    }

    /// The processes in it, by the forkserver's numbers.
    pub fn members(&self) -> Result<Vec<i32>, Errno> {
        let mut members = Vec::new();
        for directory in &self.directories {
            members.extend(directory.members()?);
        }
        members.sort_unstable();
        members.dedup();
        Ok(members)
    }

    /// Is there any hierarchy at all that knows who is in it?
    pub fn knows_members(&self) -> bool {
        !self.directories.is_empty()
    }

    /// Has everybody left, the dying included?
    pub fn is_empty(&self) -> Result<bool, Errno> {
        if let Some(v2) = &self.v2
            && v2.field("cgroup.events", "populated")? != 0
        {
            return Ok(false);
        }
        self.v1.iter().try_fold(true, |empty, directory| Ok(empty && directory.members()?.is_empty()))
    }

    /// Kills everybody in it at once; false where the kernel can't. Nobody may enter it afterwards: the kernel might go on killing.
    pub fn kill(&self) -> Result<bool, Errno> {
        match self.v2.as_ref().map(|directory| directory.write("cgroup.kill", "1")) {
            None | Some(Err(Errno::NOENT)) => Ok(false),
            Some(result) => result.map(|()| true),
        }
    }
}

/// Moves this process in. Everything that it forks is born there.
///
/// On an idle machine the kernel takes 5–19 ms for it: it is the sandbox that waits, not the forkserver and its deadlines.
pub fn enter(doors: &[OwnedFd]) -> Result<(), Errno> {
    doors.iter().try_for_each(|door| write(door, b"0").map(drop))
}

fn quota_us(cpu_millis: u64) -> u64 {
    cpu_millis.saturating_mul(CPU_PERIOD_US / 1000)
}

/// The kernel counts in pages.
fn whole_pages(bytes: u64) -> u64 {
    bytes / PAGE * PAGE
}

#[cfg(test)]
mod tests {
    use super::quota_us;

    #[test]
    fn the_smallest_share_is_the_smallest_quota_that_the_kernel_takes() {
        assert_eq!(quota_us(10), 1_000);
        assert_eq!(quota_us(1_000), 100_000);
        assert_eq!(quota_us(1_024_000), 102_400_000);
    }
}
