//! From kernel evidence to what a job's end is called. Pure; nothing that the guest can print is looked at.

use forkserver::wire::{Cause, Evidence, ExitStatus};
use serde::Serialize;

use crate::failure::{Failure, Step, errno_name};
use crate::plan::Phase;

/// How a job or a step ended: the kinds of `result.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Outcome {
    Exited {
        exit_code: i32,
        phase: Phase,
        #[serde(skip_serializing_if = "Option::is_none")]
        exec: Option<String>,
    },
    Signaled {
        signal: String,
        phase: Phase,
    },
    WallTimeExceeded {
        phase: Phase,
    },
    CpuTimeExceeded {
        phase: Phase,
    },
    MemoryExceeded {
        phase: Phase,
    },
    ProcessesExceeded {
        phase: Phase,
    },
    OutputExceeded {
        phase: Phase,
    },
    DiskExceeded {
        phase: Phase,
    },
    Rejected {
        field: String,
        rule: String,
        message: String,
    },
    Unavailable {
        layer: String,
        message: String,
    },
    Cancelled {
        by: &'static str,
    },
    WorkerLost {
        reason: &'static str,
    },
    Failed {
        step: String,
        code: String,
        message: String,
    },
}

/// Whose doing an outcome is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Attribution {
    Guest,
    Caller,
    System,
}

/// Why a job was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    /// Its caller doesn't want it any more.
    Cancelled,
    /// The worker is shutting down.
    Drain,
    /// The worker's claim to the job has lapsed.
    LockLost,
}

/// Everything that is known about the end of one step.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    pub phase: Phase,
    pub evidence: &'a Evidence,
    /// More was produced than allowed.
    pub overflowed: bool,
    /// And that ends the job.
    pub overflow_kills: bool,
    /// Who asked for the end, if somebody did.
    pub kill: Option<KillReason>,
}

impl KillReason {
    /// The reason by its name in the engine's API.
    pub fn from_name(name: &str) -> Option<KillReason> {
        match name {
            "cancelled" => Some(KillReason::Cancelled),
            "drain" => Some(KillReason::Drain),
            "lock-lost" => Some(KillReason::LockLost),
            _ => None,
        }
    }

    /// What the job's end is called when this was its cause.
    pub fn outcome(self) -> Outcome {
        match self {
            KillReason::Cancelled => Outcome::Cancelled { by: "caller" },
            KillReason::Drain => Outcome::WorkerLost { reason: "drain" },
            KillReason::LockLost => Outcome::WorkerLost { reason: "lock-lost" },
        }
    }

    /// What the forkserver is told.
    pub fn cause(self) -> Cause {
        match self {
            KillReason::Cancelled => Cause::Cancelled,
            KillReason::Drain | KillReason::LockLost => Cause::Abandoned,
        }
    }
}

/// Names the end of a step: the first cause that was acted on wins. A limit that only refuses never ends a program by
/// itself; but a program that met one and then failed, failed because of it.
pub fn of_step(end: &End<'_>) -> Outcome {
    let phase = end.phase;
    match end.evidence.cause {
        Cause::Cancelled | Cause::Abandoned => end.kill.map_or_else(|| lost(end.evidence.cause), KillReason::outcome),
        Cause::Tenure => KillReason::LockLost.outcome(),
        Cause::WallTime => Outcome::WallTimeExceeded { phase },
        Cause::CpuTime => Outcome::CpuTimeExceeded { phase },
        Cause::Output => Outcome::OutputExceeded { phase },
        Cause::Memory => Outcome::MemoryExceeded { phase },
        // The kernel kills what it likes in a full group: any kill ends the job, whichever process it was.
        Cause::Exit | Cause::InitDied if end.evidence.oom_kills > 0 => Outcome::MemoryExceeded { phase },
        Cause::InitDied => failed(&Failure::new(Step::Init, "died", "the sandbox's own first process died")),
        // It ended before it could be killed for what lay in the pipe.
        Cause::Exit if end.overflowed && end.overflow_kills => Outcome::OutputExceeded { phase },
        Cause::Exit => of_status(phase, end.evidence),
    }
}

fn lost(cause: Cause) -> Outcome {
    match cause {
        Cause::Cancelled => KillReason::Cancelled.outcome(),
        _ => KillReason::Drain.outcome(),
    }
}

fn of_status(phase: Phase, evidence: &Evidence) -> Outcome {
    let status = match evidence.status {
        Some(status) => status,
        None => return failed(&Failure::new(Step::Init, "no-status", "the program's end was not reported")),
    };
    match status {
        ExitStatus::Code(0) => Outcome::Exited { exit_code: 0, phase, exec: None },
        _ if evidence.forks_refused > 0 => Outcome::ProcessesExceeded { phase },
        _ if hit_disk(evidence) => Outcome::DiskExceeded { phase },
        ExitStatus::Code(exit_code) => Outcome::Exited { exit_code: exit_code & 0xff, phase, exec: None },
        ExitStatus::Signal(number) => Outcome::Signaled { signal: signal_name(number), phase },
    }
}

/// The file system's own word. `SIGXFSZ` is none: any program can send it to itself.
fn hit_disk(evidence: &Evidence) -> bool {
    evidence.disk_full || evidence.inodes_full
}

/// The end of a step whose program could not be executed: 127 when it isn't there, else 126.
pub fn not_executable(phase: Phase, errno: i32) -> Outcome {
    let exit_code = if errno == libc::ENOENT { 127 } else { 126 };
    Outcome::Exited { exit_code, phase, exec: Some(errno_name(errno)) }
}

/// Our own failure; one that takes away a layer makes the job unavailable.
pub fn failed(failure: &Failure) -> Outcome {
    let message = failure.message.clone();
    match &failure.layer {
        Some(layer) => Outcome::Unavailable { layer: layer.clone(), message },
        None => Outcome::Failed { step: failure.step.name(), code: failure.code.clone(), message },
    }
}

/// Limits that a step ran into, by their policy names.
pub fn limits_hit(end: &End<'_>) -> Vec<&'static str> {
    let evidence = end.evidence;
    let hit = [
        (evidence.cause == Cause::WallTime, "wallTimeMs"),
        (evidence.cause == Cause::CpuTime, "cpuTimeMs"),
        (evidence.cause == Cause::Memory || evidence.oom_kills > 0, "memoryBytes"),
        (evidence.forks_refused > 0, "processes"),
        (evidence.cause == Cause::Output || end.overflowed, "outputBytes"),
        (evidence.disk_full, "diskBytes"),
        (evidence.inodes_full, "inodes"),
    ];
    hit.into_iter().filter(|(was_hit, _)| *was_hit).map(|(_, name)| name).collect()
}

impl Outcome {
    /// Whose doing it is.
    pub fn attribution(&self) -> Attribution {
        match self {
            Outcome::Rejected { .. } | Outcome::Cancelled { .. } => Attribution::Caller,
            Outcome::Unavailable { .. } | Outcome::WorkerLost { .. } | Outcome::Failed { .. } => Attribution::System,
            _ => Attribution::Guest,
        }
    }

    /// Whether a verdict may be drawn from it: the guest's own doing, and not that of a busy machine. A wall-time hit
    /// counts only if the program was kept waiting for a CPU for less than a tenth of the time.
    pub fn is_reward_safe(&self, evidence: Option<&Evidence>) -> bool {
        let kept_waiting = evidence.is_some_and(|e| e.cpu_wait_us.saturating_mul(10) >= e.wall_time_us);
        match self {
            Outcome::WallTimeExceeded { .. } => !kept_waiting,
            other => other.attribution() == Attribution::Guest,
        }
    }

    /// Whether the next step may follow.
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Exited { exit_code: 0, .. })
    }
}

/// Name of a signal: `SIGSEGV`, `SIGRTMIN+3`.
pub fn signal_name(number: i32) -> String {
    const FIRST: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    // The kernel's first real-time signal is 32; libc keeps two for itself and calls the next one SIGRTMIN.
    const SIGRTMIN: i32 = 34;
    match usize::try_from(number - 1).ok().and_then(|index| FIRST.get(index)) {
        Some(name) => format!("SIG{name}"),
        None if number == SIGRTMIN => "SIGRTMIN".to_owned(),
        None if number > SIGRTMIN => format!("SIGRTMIN+{}", number - SIGRTMIN),
        None => format!("SIGRTMIN-{}", SIGRTMIN - number),
    }
}

#[cfg(test)]
mod tests;
