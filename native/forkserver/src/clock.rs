//! Time: deadlines on the clock that goes on while the machine sleeps, and how long each stage took.

use forkserver::wire::Stage;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Nanoseconds of `CLOCK_BOOTTIME`.
pub fn boottime() -> u64 {
    nanoseconds(ClockId::Boottime)
}

/// Nanoseconds of CPU that this process has used.
pub fn own_cpu_time() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    // Neither clock can be negative.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

pub fn after(duration: Duration) -> u64 {
    boottime() + duration.as_nanos() as u64
}

/// Measures stages that follow each other.
pub struct Stopwatch {
    lap: Instant,
    stages: Vec<Stage>,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch { lap: Instant::now(), stages: Vec::new() }
    }

    /// What comes now belongs to no stage that was before.
    pub fn restart(&mut self) {
        self.lap = Instant::now();
    }

    /// The time since the last lap was spent on `stage`.
    pub fn lap(&mut self, stage: &str) {
        let now = Instant::now();
        self.stages.push(Stage { stage: stage.to_owned(), us: now.duration_since(self.lap).as_micros() as u64 });
        self.lap = now;
    }

    /// Stages that somebody else measured.
    pub fn add(&mut self, stages: Vec<Stage>) {
        self.stages.extend(stages);
    }

    /// Takes what was measured so far.
    pub fn take(&mut self) -> Vec<Stage> {
        std::mem::take(&mut self.stages)
    }
}
