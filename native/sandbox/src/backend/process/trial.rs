//! The trial of every layer: what a program could try against it is tried, in sandboxes of small limits.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::OwnedFd;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forkserver::wire::{Evidence, ExecSpec, Trial};
use rustix::pipe::{PipeFlags, pipe_with};

use super::sandbox::Place;
use super::targets::Targets;
use super::verdicts::Tried;
use super::{Process, probe};
use crate::backend::{BackendError, Launch, Program, Sandbox, Template};
use crate::door::document::Syscalls;
use crate::failure::errno_name;
use crate::plan;
use crate::policy::{Policy, defaults};

const MIB: u64 = 1 << 20;
/// The limits of the sandboxes in which it is tried to go beyond them.
const DISK_BYTES: u64 = MIB;
const INODES: u64 = 64;
const OPEN_FILES: u64 = 32;
const PROCESSES: u64 = 8;
const MEMORY_BYTES: u64 = 32 * MIB;
/// Thousandths of a CPU, and CPU time: so little that the share is used up several times before the time is, on a busy host too.
const CPU_MILLIS: u64 = 50;
const CPU_TIME_MS: u64 = 15;
const SPIN_TRIES: u32 = 3;
/// Of the program that sleeps on.
const WALL_TIME_MS: u64 = 30;
/// Longest of each of the others.
const PATIENCE_MS: u64 = 10_000;
/// One instruction, `SECCOMP_RET_ALLOW`: a call that is refused under it is refused by something else.
const ALLOW_ALL: (u16, [u8; 2], u32) = (0x06, [0, 0], 0x7fff_0000);

/// What answers are: the name of an attempt, and the errno that it met or what it read.
pub type Answers = BTreeMap<String, String>;

impl Process {
    /// Makes every attempt, in four sandboxes, one after the other.
    pub(super) async fn try_by_use(&self, template: &Template, slot: u32) -> Result<Tried, BackendError> {
        let small = small_policy();
        let targets = Targets::set_up(&self.settings.stage_dir.to_string_lossy(), &small.limits);
        let mut place = self.confine(template, slot, &small).await?;
        let attempted = attempt(&mut place, &small, &targets).await;
        Box::new(place).deprovision().await?;
        let (attempts, unfiltered, strict, compatible) = attempted?;
        let memory = Trial::Memory { bytes: 2 * MEMORY_BYTES, ms: PATIENCE_MS };
        let sleep = Trial::Sleep { ms: PATIENCE_MS };
        Ok(Tried {
            answers: attempts.1,
            forks_refused: attempts.0.forks_refused,
            was_reached: targets.was_reached(),
            aims: targets.aims.clone(),
            filters: [unfiltered, strict, compatible],
            memory: self.end_of(template, slot, (&small, memory, [PATIENCE_MS, PATIENCE_MS])).await?,
            cpu: self.spin(template, slot).await?,
            sleep: self.end_of(template, slot, (&small, sleep, [WALL_TIME_MS, PATIENCE_MS])).await?,
        })
    }

    /// A share that was never used up, for others had the CPU, was not tried yet.
    async fn spin(&self, template: &Template, slot: u32) -> Result<Evidence, BackendError> {
        let share = with_limits(|limits| limits.cpu_millis = CPU_MILLIS);
        let mut tries = SPIN_TRIES;
        loop {
            let spin = Trial::Spin { ms: PATIENCE_MS };
            let evidence = self.end_of(template, slot, (&share, spin, [PATIENCE_MS, CPU_TIME_MS])).await?;
            tries -= 1;
            if evidence.throttled_us > 0 || tries == 0 {
                return Ok(evidence);
            }
        }
    }

    /// How a trial ends in a sandbox of its own. `times`: its wall and CPU time.
    async fn end_of(
        &self,
        template: &Template,
        slot: u32,
        (policy, trial, times): (&Policy, Trial, [u64; 2]),
    ) -> Result<Evidence, BackendError> {
        let mut place = self.confine(template, slot, policy).await?;
        let ended = match spec_of(trial, policy) {
            Ok(spec) => run(&mut place, (0, true), spec, times).await,
            Err(error) => Err(error),
        };
        Box::new(place).deprovision().await?;
        ended.map(|(evidence, _)| evidence)
    }

    async fn confine(&self, template: &Template, slot: u32, policy: &Policy) -> Result<Place, BackendError> {
        let mut place = self.make(template, &[], slot).await?;
        match place.start(&plan::claim(&policy.limits), None).await {
            Ok(()) => Ok(place),
            Err(error) => {
                Box::new(place).deprovision().await?;
                Err(error)
            }
        }
    }
}

type Attempted = ((Evidence, Answers), Answers, Answers, Answers);

/// All that can be tried one after the other: without a filter, and one call under each filter.
async fn attempt(place: &mut Place, policy: &Policy, targets: &Targets) -> Result<Attempted, BackendError> {
    let times = [PATIENCE_MS, PATIENCE_MS];
    let attempts = spec_of(Trial::Attempts(targets.aims.clone()), policy)?;
    let attempts = run(place, (0, false), attempts, times).await?;
    let (_, unfiltered) = run(place, (1, false), spec_of(Trial::Inotify, policy)?, times).await?;
    let (_, strict) = run(place, (2, false), filtered(policy, Syscalls::Strict)?, times).await?;
    let (_, compatible) = run(place, (3, true), filtered(policy, Syscalls::Compatible)?, times).await?;
    Ok((attempts, unfiltered, strict, compatible))
}

fn small_policy() -> Policy {
    with_limits(|_| ())
}

fn with_limits(change: impl FnOnce(&mut crate::policy::LimitSet)) -> Policy {
    let mut policy = defaults::policy();
    let limits = &mut policy.limits;
    (limits.disk_bytes, limits.inodes, limits.open_files) = (DISK_BYTES, INODES, OPEN_FILES);
    (limits.processes, limits.memory_bytes) = (PROCESSES, MEMORY_BYTES);
    change(limits);
    policy
}

fn spec_of(trial: Trial, policy: &Policy) -> Result<ExecSpec, BackendError> {
    let spec = plan::probe_spec(policy).map_err(probe::no_filter)?;
    let (code, jumps, k) = ALLOW_ALL;
    let instruction = [&code.to_ne_bytes()[..], &jumps, &k.to_ne_bytes()].concat();
    Ok(ExecSpec { trial: Some(trial), seccomp: STANDARD.encode(instruction), ..spec })
}

fn filtered(policy: &Policy, syscalls: Syscalls) -> Result<ExecSpec, BackendError> {
    let spec = plan::probe_spec(&Policy { syscalls, ..policy.clone() }).map_err(probe::no_filter)?;
    Ok(ExecSpec { trial: Some(Trial::Inotify), ..spec })
}

async fn run(
    place: &mut Place,
    (step, last): (u32, bool),
    spec: ExecSpec,
    [wall_time_ms, cpu_time_ms]: [u64; 2],
) -> Result<(Evidence, Answers), BackendError> {
    let (stdin, _) = probe::pipe()?;
    let (stdout, guest_stdout) =
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(BackendError::system("pipe2"))?;
    let (_stderr, guest_stderr) = probe::pipe()?;
    let stdio = [stdin, guest_stdout, guest_stderr];
    let program = Program { step, last, spec, wall_time_ms, cpu_time_ms, report_posture: false, stdio };
    match place.exec(program).await? {
        Launch::Running { .. } => {}
        launch => return Err(BackendError::Confused { request: "Exec", answer: format!("{launch:?}") }),
    }
    let evidence = place.wait().await?;
    Ok((evidence, read_answers(stdout)))
}

/// All that was written is there by now: far less than a pipe holds.
fn read_answers(stdout: OwnedFd) -> Answers {
    let mut bytes = Vec::new();
    // It ends with an error where somebody still holds the other end.
    let _ = std::fs::File::from(stdout).read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| line.split_once(' ').map(|(name, answer)| (name.to_owned(), in_words(answer)));
    text.lines().filter_map(line).collect()
}

fn in_words(answer: &str) -> String {
    match answer.parse() {
        Ok(0) => "worked".to_owned(),
        Ok(errno) => errno_name(errno),
        Err(_) => answer.to_owned(),
    }
}
