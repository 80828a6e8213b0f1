//! One program in a sandbox, from its order to its evidence: its limits in time, and why it ended.

use crate::clock::boottime;
use crate::evidence::Baseline;
use crate::leaf::Leaf;
use crate::readback::{Scheduled, scheduled, unless_gone};
use crate::report::Executing;
use crate::sockets::Sockets;
use crate::step::{At, Failure, Step};
use crate::workspace::Workspace;
use forkserver::kernel;
use forkserver::wire::{Cause, Evidence, ExitStatus};
use leave_out::Part;
use rustix::process::Pid;
use std::os::fd::{AsRawFd, OwnedFd};

/// Shortest time between two looks at the CPU clock, ns: with it a kill comes at most a few ms of CPU late.
const MIN_CPU_CHECK: u64 = 5_000_000;
/// After the kernel said that it is about to kill for memory, how soon to look whether it has, and for how long, ns.
const OOM_RECHECK: u64 = 1_000_000;
const OOM_RECHECK_FOR: u64 = 200_000_000;

/// What the library asked for.
pub struct Asked {
    pub step: u32,
    pub last: bool,
    /// Limits, ns.
    pub wall: u64,
    pub cpu: u64,
    pub report_posture: bool,
}

pub struct Exec {
    pub asked: Asked,
    baseline: Baseline,
    started: Option<Started>,
    cause: Option<Cause>,
    status: Option<ExitStatus>,
    ended_at: Option<u64>,
    /// Time that others kept the main thread waiting, ns.
    wait: u64,
    disk_full: bool,
    inodes_full: bool,
    /// The kernel was about to kill for memory: when to look next whether it has, and until when.
    oom_watch: Option<(u64, u64)>,
}

struct Started {
    at: u64,
    scheduled: Scheduled,
    program: OwnedFd,
    next_check: u64,
}

impl Exec {
    pub fn begin(asked: Asked, leaf: &Leaf) -> Result<Exec, Failure> {
        Ok(Exec {
            asked,
            baseline: Baseline::take(leaf)?,
            started: None,
            cause: None,
            status: None,
            ended_at: None,
            wait: 0,
            disk_full: false,
            inodes_full: false,
            oom_watch: None,
        })
    }

    /// The program runs; `pidfd` is its own.
    pub fn started(&mut self, at: Executing, pidfd: OwnedFd) {
        self.baseline.forgive_cpu(at.cpu);
        self.started = Some(Started { at: at.at, scheduled: at.scheduled, program: pidfd, next_check: at.at });
    }

    /// The program's process id as we see it; `None` when it is gone.
    pub fn program(&self) -> Option<Pid> {
        let program = self.started.as_ref()?.program.as_raw_fd();
        kernel::fdinfo_pid(&kernel::read(&format!("/proc/self/fdinfo/{program}")).ok()?).and_then(Pid::from_raw)
    }

    /// The main program ended by itself.
    pub fn exited(&mut self, status: ExitStatus, at: u64, leaf: &Leaf) -> Result<(), Failure> {
        (self.status, self.ended_at) = (Some(status), Some(at));
        self.note_wait(leaf)
    }

    /// The first cause stays. What it ran into is noted before anything is killed, and with it deleted.
    pub fn conclude(&mut self, cause: Cause, workspace: &Workspace, leaf: &Leaf) -> Result<(), Failure> {
        if self.cause.is_some() {
            return Ok(());
        }
        self.cause = Some(cause);
        let full = workspace.fullness()?;
        (self.disk_full, self.inodes_full) = (full.disk, full.inodes);
        self.note_wait(leaf)
    }

    /// How long others kept the program waiting: the time that its main thread was runnable without running, less what the job
    /// itself brings about, which is the CPU time of everything else in its leaf (it may share a CPU with its own) and the pauses that
    /// its share of the CPUs asks for.
    ///
    /// Too little rather than too much. Whoever runs in parallel on several CPUs may have been delayed by others and is not said to
    /// have been, nor is one whose main thread only sleeps. The other way round a job could excuse itself: a spinning child on its own
    /// CPU would make each of its overruns the machine's.
    fn note_wait(&mut self, leaf: &Leaf) -> Result<(), Failure> {
        let Some((started, program)) = self.started.as_ref().zip(self.program()) else { return Ok(()) };
        // Only when init died has the kernel reaped it without us: an end that is never one of time.
        let Some(now) = unless_gone(scheduled(program)).at(Step::Evidence)? else { return Ok(()) };
        let waited = now.waited.saturating_sub(started.scheduled.waited);
        let ran = now.ran.saturating_sub(started.scheduled.ran);
        let others_ran = self.baseline.cpu_used(leaf)?.saturating_sub(ran);
        self.wait = waited.saturating_sub(others_ran).saturating_sub(self.baseline.throttled(leaf)?);
        Ok(())
    }

    pub fn is_concluded(&self) -> bool {
        self.cause.is_some()
    }

    pub fn oom_killed(&self, leaf: &Leaf) -> Result<bool, Failure> {
        self.baseline.oom_killed(leaf)
    }

    /// The kernel is about to kill for memory: whom, its counter tells a moment later.
    pub fn expect_oom_kill(&mut self) {
        let now = boottime();
        self.oom_watch = Some((now + OOM_RECHECK, now + OOM_RECHECK_FOR));
    }

    /// When to look again.
    pub fn next_look(&self) -> Option<u64> {
        let started = self.started.as_ref()?;
        let look = started.next_check.min(started.at.saturating_add(self.asked.wall));
        Some(self.oom_watch.map_or(look, |(next, _)| look.min(next)))
    }

    /// Which limit has been reached by now, if any.
    pub fn look(&mut self, leaf: &Leaf, cpus: f64) -> Result<Option<Cause>, Failure> {
        if !leave_out::is(Part::OomKillsAll) && !leave_out::is(Part::OomEvidence) && self.baseline.oom_killed(leaf)? {
            return Ok(Some(Cause::Memory));
        }
        let now = boottime();
        self.oom_watch = self.oom_watch.filter(|(_, until)| now < *until).map(|(_, until)| (now + OOM_RECHECK, until));
        let Some(started) = &mut self.started else { return Ok(None) };
        if now >= started.at.saturating_add(self.asked.wall) && !leave_out::is(Part::WallDeadline) {
            return Ok(Some(Cause::WallTime));
        }
        if now < started.next_check {
            return Ok(None);
        }
        let used = self.baseline.cpu_used(leaf)?;
        if used >= self.asked.cpu && leave_out::is(Part::CpuDeadline) {
            return Ok(None);
        }
        if used >= self.asked.cpu {
            return Ok(Some(Cause::CpuTime));
        }
        // It can't get there sooner than with all the CPUs that it may use.
        let soonest = (self.asked.cpu - used) as f64 / cpus;
        let next = (soonest as u64).max(MIN_CPU_CHECK).min(leaf.memory.look_every().unwrap_or(u64::MAX));
        started.next_check = now.saturating_add(next);
        Ok(None)
    }

    /// To be called when everything of it is dead.
    pub fn evidence(&self, leaf: &Leaf, sockets: Option<&Sockets>) -> Result<Evidence, Failure> {
        let counted = self.baseline.count(leaf)?;
        let began = self.started.as_ref().map_or_else(boottime, |started| started.at);
        // A program that ended by itself although the kernel killed a part of it for memory did not end by itself.
        let cause = match self.cause.ok_or(Failure::new(Step::Evidence, libc::ENODATA))? {
            Cause::Exit | Cause::InitDied if counted.oom_kills > 0 && !leave_out::is(Part::OomEvidence) => {
                Cause::Memory
            }
            Cause::Exit if sockets.map_or(Ok(false), |sockets| sockets.peaked(leaf))? => Cause::Memory,
            cause => cause,
        };
        Ok(Evidence {
            cause,
            status: self.status,
            wall_time_us: self.ended_at.unwrap_or_else(boottime).saturating_sub(began) / 1000,
            cpu_time_us: counted.cpu / 1000,
            cpu_wait_us: self.wait / 1000,
            memory_peak_bytes: counted.memory_peak,
            processes_peak: counted.processes_peak.map(|peak| peak.max(1)),
            oom_kills: counted.oom_kills,
            forks_refused: counted.forks_refused,
            throttled_us: self.baseline.throttled(leaf)? / 1000,
            disk_full: self.disk_full,
            inodes_full: self.inodes_full,
        })
    }
}
