//! What stands in for a controller that this host lacks, where the operator accepts it: the sandbox's processes are looked at
//! every now and then.
//!
//! It says less than a cgroup does. Memory between two looks goes unseen, and so do the files of the workspace, which have a limit of
//! their own. CPU time is counted (a process that disowns its children takes theirs along), a share of a CPU is not enforced.
//! Processes have a limit per user and sandbox, but how often it refused one nobody knows.

use super::accounts::{Alarm, Cpu, Memory, Tasks};
use super::directory::Directory;
use forkserver::kernel;
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::read_dir;
use std::rc::Rc;

/// The value of a layer that is kept by looking at processes.
pub const POLLING: &str = "polling";
/// The value of the layer of processes, which a resource limit of each of them keeps.
pub const RLIMIT: &str = "rlimit";
/// Nanoseconds from one look at memory to the next.
pub const PERIOD: u64 = 20_000_000;
const PAGE: u64 = 4096;
/// What the kernel calls `USER_HZ`, the unit of the times in `/proc/PID/stat`: 100 on every architecture of ours.
const TICK: u64 = 10_000_000;

/// The processes of one sandbox: its PID 1 and everybody below it.
#[derive(Default)]
pub struct Tree {
    init: Cell<Option<i32>>,
}

impl Tree {
    pub fn begin(&self, init: i32) {
        self.init.set(Some(init));
    }

    /// All are dead: their numbers are free for others.
    pub fn end(&self) {
        self.init.set(None);
    }

    /// All that live. Whoever is forked while we look is seen the next time.
    fn members(&self) -> Vec<i32> {
        let mut members = Vec::from_iter(self.init.get());
        let mut seen = 0;
        while let Some(member) = members.get(seen) {
            members.extend(children(*member));
            seen += 1;
        }
        members
    }
}

/// Those of all threads of a process; none when it is gone.
fn children(pid: i32) -> Vec<i32> {
    let threads = read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| kernel::read(thread.path().join("children").to_str()?).ok());
    lists.flat_map(|list| kernel::children(&list).collect::<Vec<_>>()).collect()
}

/// Can children be listed here at all?
fn check() -> Result<(), Errno> {
    kernel::read("/proc/thread-self/children").map(drop).map_err(|_| Errno::OPNOTSUPP)
}

pub struct PolledMemory {
    tree: Rc<Tree>,
    limit: Cell<u64>,
    exceeded: Cell<bool>,
}

impl PolledMemory {
    pub fn of(tree: Rc<Tree>) -> PolledMemory {
        PolledMemory { tree, limit: Cell::new(u64::MAX), exceeded: Cell::new(false) }
    }

    /// Pages that several share count once for each; only if that is too much they are divided, which takes longer.
    fn look(&self) {
        let members = self.tree.members();
        let mut used: u64 = members.iter().filter_map(|pid| resident(*pid)).sum();
        if used > self.limit.get() {
            used = members.iter().filter_map(|pid| proportional(*pid)).sum();
        }
        self.exceeded.set(self.exceeded.get() || used > self.limit.get());
    }
}

fn resident(pid: i32) -> Option<u64> {
    kernel::resident_pages(&kernel::read(&format!("/proc/{pid}/statm")).ok()?).map(|pages| pages.saturating_mul(PAGE))
}

fn proportional(pid: i32) -> Option<u64> {
    let text = kernel::read(&format!("/proc/{pid}/smaps_rollup")).ok()?;
    kernel::proportional_kib(&text).map(|kib| kib.saturating_mul(1024))
}

impl Memory for PolledMemory {
    fn kept_by(&self) -> Option<&'static str> {
        Some(POLLING)
    }

    fn limit(&self, bytes: u64) -> Result<(), Errno> {
        check()?;
        self.limit.set(bytes);
        Ok(())
    }

    /// One, once it was seen above its limit: the end of it all, as with the kernel's.
    fn kills(&self) -> Result<u64, Errno> {
        self.look();
        Ok(u64::from(self.exceeded.get()))
    }

    fn forget_peak(&self) -> Result<bool, Errno> {
        Ok(true)
    }

    /// Never: what was seen is not the most that there was.
    fn peak(&self) -> Result<Option<u64>, Errno> {
        Ok(None)
    }

    fn alarm(&self) -> Result<Option<Alarm>, Errno> {
        Ok(None)
    }

    fn residue(&self) -> Result<u64, Errno> {
        Ok(0)
    }

    fn release(&self) -> Result<(), Errno> {
        Ok(())
    }

    /// What sockets hold is no process' memory: without a controller it is not bounded.
    fn limit_sockets(&self, _: u64) -> Result<(), Errno> {
        Err(Errno::OPNOTSUPP)
    }

    fn look_every(&self) -> Option<u64> {
        Some(PERIOD)
    }
}

#[derive(Default)]
pub struct RlimitTasks(Cell<Option<u64>>);

impl Tasks for RlimitTasks {
    fn kept_by(&self) -> Option<&'static str> {
        Some(RLIMIT)
    }

    fn limit(&self, tasks: u64) -> Result<(), Errno> {
        self.0.set(Some(tasks));
        Ok(())
    }

    fn refused(&self) -> Result<u64, Errno> {
        Ok(0)
    }

    fn peak(&self) -> Result<Option<u64>, Errno> {
        Ok(None)
    }

    fn rlimit(&self) -> Option<u64> {
        self.0.get()
    }
}

/// A leaf of v2 counts CPU time even without the controller; else it is added up.
pub struct CountedCpu {
    tree: Rc<Tree>,
    v2: Option<Rc<Directory>>,
    most: Cell<u64>,
}

impl CountedCpu {
    pub fn of(tree: Rc<Tree>, v2: Option<Rc<Directory>>) -> CountedCpu {
        CountedCpu { tree, v2, most: Cell::new(0) }
    }

    /// Whoever has ended since the last look takes nothing along.
    fn at_least(&self, used: u64) -> u64 {
        self.most.set(self.most.get().max(used));
        self.most.get()
    }
}

/// Its own time and that of the children it has waited for.
fn cpu_time(pid: i32) -> Option<u64> {
    kernel::cpu_ticks(&kernel::read(&format!("/proc/{pid}/stat")).ok()?).map(|ticks| ticks.saturating_mul(TICK))
}

impl Cpu for CountedCpu {
    fn kept_by(&self) -> Option<&'static str> {
        Some(POLLING)
    }

    /// Not enforced: the operator has accepted that.
    fn limit(&self, _: u64) -> Result<(), Errno> {
        if self.v2.is_some() { Ok(()) } else { check() }
    }

    fn used(&self) -> Result<u64, Errno> {
        match &self.v2 {
            Some(leaf) => leaf.field("cpu.stat", "usage_usec").map(|us| us * 1000),
            None => Ok(self.at_least(self.tree.members().into_iter().filter_map(cpu_time).sum())),
        }
    }

    fn throttled(&self) -> Result<u64, Errno> {
        Ok(0)
    }

    fn ended(&self, used: u64) {
        self.at_least(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_below_is_found_with_its_memory_and_time() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let tree = Tree::default();
        assert_eq!(tree.members(), Vec::<i32>::new());
        tree.begin(std::process::id() as i32);
        let found = tree.members().contains(&(child.id() as i32));
        let (used, memory) = (cpu_time(std::process::id() as i32), proportional(std::process::id() as i32));
        child.kill().and_then(|()| child.wait()).expect("ended");
        assert!(found && used.is_some() && memory > Some(0));
    }

    #[test]
    fn who_was_seen_above_the_limit_stays_so() {
        let tree = Rc::new(Tree::default());
        let memory = PolledMemory::of(tree.clone());
        memory.limit(1).expect("a limit");
        assert_eq!(memory.kills(), Ok(0), "nobody is there");
        tree.begin(std::process::id() as i32);
        assert_eq!(memory.kills(), Ok(1));
        memory.limit(u64::MAX).expect("a limit");
        assert_eq!(memory.kills(), Ok(1));
    }
}
