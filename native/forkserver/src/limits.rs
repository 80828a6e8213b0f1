//! A job's limits on its leaf: written, then read back.

use crate::leaf::Leaf;
use crate::step::{At, Failure, Step};
use forkserver::wire::ClaimLimits;
use leave_out::Part;

/// The sandbox's own PID 1 is a task of the leaf too.
pub const OWN_TASKS: u64 = 1;

pub fn apply(leaf: &Leaf, limits: &ClaimLimits) -> Result<(), Failure> {
    if !leave_out::is(Part::MemoryLimit) {
        leaf.memory.limit(limits.memory_bytes).at(Step::MemoryLimit)?;
    }
    if !leave_out::is(Part::TasksLimit) {
        leaf.tasks.limit(limits.processes.saturating_add(OWN_TASKS)).at(Step::PidsLimit)?;
    }
    if leave_out::is(Part::CpuLimit) { Ok(()) } else { leaf.cpu.limit(limits.cpu_millis).at(Step::CpuLimit) }
}
