//! The built-in numbers, in one place: they apply where neither the job nor the operator says anything.

use crate::door::document::{Loopback, Overflow, Syscalls};

use super::{Ceiling, LimitSet, PathLists, Policy};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a job gets that asks for nothing.
pub fn policy() -> Policy {
    Policy {
        name: None,
        containment: vec!["process".to_owned()],
        filesystem: PathLists::default(),
        host_paths: Vec::new(),
        loopback: Loopback::Deny,
        limits: LimitSet {
            wall_time_ms: 10_000,
            cpu_time_ms: 10_000,
            memory_bytes: 256 * MIB,
            processes: 64,
            cpu_millis: 1_000,
            output_bytes: MIB,
            disk_bytes: 64 * MIB,
            inodes: 10_000,
            open_files: 256,
            artifacts: 64,
            artifact_bytes: 16 * MIB,
        },
        output_overflow: Overflow::Kill,
        syscalls: Syscalls::Strict,
        require: vec!["seccomp".to_owned()],
    }
}

/// Most that a job may ask for where the operator sets no ceiling. Whatever they allow fits into one result document.
pub fn ceiling() -> Ceiling {
    Ceiling {
        limits: LimitSet {
            wall_time_ms: 600_000,
            cpu_time_ms: 600_000,
            memory_bytes: 4 * GIB,
            processes: 1_024,
            cpu_millis: 8_000,
            output_bytes: 16 * MIB,
            disk_bytes: GIB,
            inodes: 1_000_000,
            open_files: 4_096,
            artifacts: 1_024,
            artifact_bytes: 64 * MIB,
        },
        syscalls: vec![Syscalls::Strict, Syscalls::Compatible],
        loopback: vec![Loopback::Deny, Loopback::Private],
        attempts: 3,
    }
}
