//! A job's limits on its leaf: written, then read back.

use crate::leaf::{Controller, Leaf};
use crate::step::{At, Failure, Step};
use forkserver::wire::ClaimLimits;

/// `cpu.cfs_period_us`. The kernel takes no quota below 1 ms, so this is the shortest period in which the smallest share (10
/// thousandths of a CPU) can be said.
const CPU_PERIOD_US: u64 = 100_000;
const PAGE: u64 = 4096;
/// The sandbox's own PID 1 is a task of the leaf too.
pub const OWN_TASKS: u64 = 1;

pub fn apply(leaf: &Leaf, limits: &ClaimLimits) -> Result<(), Failure> {
    limit_memory(leaf, limits.memory_bytes).map_err(|failure| failure.about("memory"))?;
    set(leaf, Controller::Pids, "pids.max", limits.processes.saturating_add(OWN_TASKS)).at(Step::PidsLimit)?;
    set(leaf, Controller::Cpu, "cpu.cfs_period_us", CPU_PERIOD_US).at(Step::CpuLimit)?;
    set(leaf, Controller::Cpu, "cpu.cfs_quota_us", quota_us(limits.cpu_millis)).at(Step::CpuLimit)
}

/// Memory first, memory and swap together second: the sum may never be the smaller one, and both come down from unlimited.
fn limit_memory(leaf: &Leaf, bytes: u64) -> Result<(), Failure> {
    let bytes = bytes / PAGE * PAGE;
    set(leaf, Controller::Memory, "memory.limit_in_bytes", bytes).at(Step::MemoryLimit)?;
    set(leaf, Controller::Memory, "memory.memsw.limit_in_bytes", bytes).at(Step::MemoryLimit)?;
    set(leaf, Controller::Memory, "memory.swappiness", 0).at(Step::MemoryLimit)
}

fn set(leaf: &Leaf, controller: Controller, file: &str, value: u64) -> rustix::io::Result<()> {
    leaf.write(controller, file, &value.to_string())?;
    if leaf.number(controller, file)? == value { Ok(()) } else { Err(rustix::io::Errno::RANGE) }
}

fn quota_us(cpu_millis: u64) -> u64 {
    cpu_millis.saturating_mul(CPU_PERIOD_US / 1000)
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
