//! What the kernel counted in a leaf during one exec.

use crate::leaf::{Controller, Leaf};
use crate::limits::OWN_TASKS;
use crate::step::{At, Failure, Step};
use rustix::io::Errno;

/// The counters when an exec began; what it did is the difference.
pub struct Baseline {
    cpu: u64,
    throttled: u64,
    oom_kills: u64,
    forks_refused: u64,
    tasks_peak: u64,
}

/// The differences at its end. Times in nanoseconds.
pub struct Counted {
    pub cpu: u64,
    pub oom_kills: u64,
    pub forks_refused: u64,
    pub memory_peak: u64,
    /// Most tasks at once, if this exec reached a new maximum of its sandbox.
    pub processes_peak: Option<u64>,
}

impl Baseline {
    pub fn take(leaf: &Leaf) -> Result<Baseline, Failure> {
        for file in ["memory.max_usage_in_bytes", "memory.memsw.max_usage_in_bytes"] {
            leaf.write(Controller::Memory, file, "0").at(Step::Evidence)?;
        }
        Ok(Baseline {
            cpu: cpu_usage(leaf)?,
            throttled: throttled(leaf)?,
            oom_kills: oom_kills(leaf)?,
            forks_refused: forks_refused(leaf)?,
            tasks_peak: tasks_peak(leaf)?.unwrap_or(0),
        })
    }

    /// CPU that was used before the guest began isn't the guest's.
    pub fn forgive_cpu(&mut self, nanoseconds: u64) {
        self.cpu += nanoseconds;
    }

    pub fn cpu_used(&self, leaf: &Leaf) -> Result<u64, Failure> {
        Ok(cpu_usage(leaf)?.saturating_sub(self.cpu))
    }

    /// How long it was held back for its share of the CPUs, set-up included.
    pub fn throttled(&self, leaf: &Leaf) -> Result<u64, Failure> {
        Ok(throttled(leaf)?.saturating_sub(self.throttled))
    }

    pub fn oom_killed(&self, leaf: &Leaf) -> Result<bool, Failure> {
        Ok(oom_kills(leaf)? > self.oom_kills)
    }

    pub fn count(&self, leaf: &Leaf) -> Result<Counted, Failure> {
        let peak = tasks_peak(leaf)?.filter(|peak| *peak > self.tasks_peak);
        Ok(Counted {
            cpu: self.cpu_used(leaf)?,
            oom_kills: oom_kills(leaf)?.saturating_sub(self.oom_kills),
            forks_refused: forks_refused(leaf)?.saturating_sub(self.forks_refused),
            memory_peak: leaf.number(Controller::Memory, "memory.max_usage_in_bytes").at(Step::Evidence)?,
            processes_peak: peak.map(|peak| peak.saturating_sub(OWN_TASKS)),
        })
    }
}

fn cpu_usage(leaf: &Leaf) -> Result<u64, Failure> {
    leaf.number(Controller::CpuAcct, "cpuacct.usage").at(Step::Evidence)
}

fn throttled(leaf: &Leaf) -> Result<u64, Failure> {
    leaf.field(Controller::Cpu, "cpu.stat", "throttled_time").at(Step::Evidence)
}

/// Never `failcnt`: reclaim fails, and succeeds at the next try, in programs that keep their limit.
fn oom_kills(leaf: &Leaf) -> Result<u64, Failure> {
    leaf.field(Controller::Memory, "memory.oom_control", "oom_kill").at(Step::Evidence)
}

fn forks_refused(leaf: &Leaf) -> Result<u64, Failure> {
    leaf.field(Controller::Pids, "pids.events", "max").at(Step::Evidence)
}

/// `None` on kernels that don't keep it.
fn tasks_peak(leaf: &Leaf) -> Result<Option<u64>, Failure> {
    match leaf.number(Controller::Pids, "pids.peak") {
        Ok(peak) => Ok(Some(peak)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno).at(Step::Evidence),
    }
}

/// Tasks of the job that live now.
pub fn tasks_now(leaf: &Leaf) -> Result<u64, Failure> {
    Ok(leaf.number(Controller::Pids, "pids.current").at(Step::Evidence)?.saturating_sub(OWN_TASKS))
}
