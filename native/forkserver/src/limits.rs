//! A job's limits on its leaf: written, then read back.

use crate::leaf::Leaf;
use crate::step::{At, Failure, Step};
use forkserver::wire::ClaimLimits;

/// The sandbox's own PID 1 is a task of the leaf too.
pub const OWN_TASKS: u64 = 1;

pub fn apply(leaf: &Leaf, limits: &ClaimLimits) -> Result<(), Failure> {
    leaf.memory.limit(limits.memory_bytes).at(Step::MemoryLimit)?;
    leaf.tasks.limit(limits.processes.saturating_add(OWN_TASKS)).at(Step::PidsLimit)?;
    leaf.cpu.limit(limits.cpu_millis).at(Step::CpuLimit)
}
