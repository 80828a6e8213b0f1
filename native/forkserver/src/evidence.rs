//! What the kernel counted in a leaf during one exec.

use crate::leaf::Leaf;
use crate::limits::OWN_TASKS;
use crate::step::{At, Failure, Step};

/// The counters when an exec began; what it did is the difference.
pub struct Baseline {
    cpu: u64,
    throttled: u64,
    oom_kills: u64,
    forks_refused: u64,
    tasks_peak: u64,
    /// Only where the kernel can't start it anew.
    memory_peak: Option<u64>,
}

/// The differences at its end. Times in nanoseconds.
pub struct Counted {
    pub cpu: u64,
    pub oom_kills: u64,
    pub forks_refused: u64,
    /// Most memory at once, if the kernel tells this exec's from an earlier one's.
    pub memory_peak: Option<u64>,
    /// Most tasks at once, likewise.
    pub processes_peak: Option<u64>,
}

impl Baseline {
    pub fn take(leaf: &Leaf) -> Result<Baseline, Failure> {
        let memory_peak = match leaf.memory.forget_peak().at(Step::Evidence)? {
            true => None,
            false => leaf.memory.peak().at(Step::Evidence)?,
        };
        Ok(Baseline {
            cpu: leaf.cpu.used().at(Step::Evidence)?,
            throttled: leaf.cpu.throttled().at(Step::Evidence)?,
            oom_kills: leaf.memory.kills().at(Step::Evidence)?,
            forks_refused: leaf.tasks.refused().at(Step::Evidence)?,
            tasks_peak: leaf.tasks.peak().at(Step::Evidence)?.unwrap_or(0),
            memory_peak,
        })
    }

    /// CPU that was used before the guest began isn't the guest's.
    pub fn forgive_cpu(&mut self, nanoseconds: u64) {
        self.cpu = self.cpu.saturating_add(nanoseconds);
    }

    pub fn cpu_used(&self, leaf: &Leaf) -> Result<u64, Failure> {
        Ok(leaf.cpu.used().at(Step::Evidence)?.saturating_sub(self.cpu))
    }

    /// How long it was held back for its share of the CPUs, set-up included.
    pub fn throttled(&self, leaf: &Leaf) -> Result<u64, Failure> {
        Ok(leaf.cpu.throttled().at(Step::Evidence)?.saturating_sub(self.throttled))
    }

    pub fn oom_killed(&self, leaf: &Leaf) -> Result<bool, Failure> {
        Ok(leaf.memory.kills().at(Step::Evidence)? > self.oom_kills)
    }

    pub fn count(&self, leaf: &Leaf) -> Result<Counted, Failure> {
        let memory_peak = leaf.memory.peak().at(Step::Evidence)?;
        let tasks_peak = leaf.tasks.peak().at(Step::Evidence)?;
        Ok(Counted {
            cpu: self.cpu_used(leaf)?,
            oom_kills: leaf.memory.kills().at(Step::Evidence)?.saturating_sub(self.oom_kills),
            forks_refused: leaf.tasks.refused().at(Step::Evidence)?.saturating_sub(self.forks_refused),
            memory_peak: memory_peak.filter(|peak| self.memory_peak.is_none_or(|before| *peak > before)),
            processes_peak: tasks_peak
                .filter(|peak| *peak > self.tasks_peak)
                .map(|peak| peak.saturating_sub(OWN_TASKS)),
        })
    }
}
