//! How a sandbox is made: one small trait, in the words of its life. A backend is a folder here and a line in [`open`].
//!
//! ```text
//! probe        really run something, and report the layers that held
//! provision    a sandbox from a template, before any job is known
//! start        give it one job's limits
//! fill         put the job's files into it
//! exec         run a program in it; wait for it, or stop it
//! collect      take artifacts out of it, when all in it is dead
//! deprovision  kill what is left, and remove it
//! ```

pub mod process;

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;

use files::{Collected, Full, Limits};
use forkserver::wire::{Cause, ClaimLimits, Evidence, ExecSpec, Layer, PathPlan, PathRule, Posture};
use serde::Serialize;

use crate::door::document::Loopback;
use crate::policy::layers::ProbedLayer;

/// What a backend will have done.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

/// What can be prepared before a job is known; pools are keyed by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    pub backend: String,
    /// Name of a root file system.
    pub root: String,
    pub loopback: Loopback,
}

/// A way to make sandboxes.
pub trait Backend: Send + Sync {
    /// Makes a sandbox, runs a program in it and reports every layer, held or not. `slot` must be free.
    fn probe(&self, slot: u32, depth: Depth) -> Pin<Box<dyn Future<Output = Probed> + Send + '_>>;
    /// Makes a sandbox, with these host paths in it. No two live ones may share a `slot`.
    fn provision<'a>(
        &'a self,
        template: &'a Template,
        paths: &'a [PathPlan],
        slot: u32,
    ) -> Answer<'a, Box<dyn Sandbox>>;
    /// Ends when the backend can make no sandbox any more, in this process.
    fn lost(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// Ends everything that the backend has started.
    fn close(&self) -> Answer<'_, ()>;
}

/// How a probe tells whether a layer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// By what the kernel shows of a program. Takes milliseconds.
    Posture,
    /// By what a program could try against it, too. Takes part of a second.
    Use,
}

/// What a probe found.
#[derive(Debug)]
pub struct Probed {
    pub layers: Vec<ProbedLayer>,
    /// Nothing is left of the attempt: its slot may be used again.
    pub clean: bool,
}

/// One prepared, confined place. It belongs to one job and is then destroyed.
pub trait Sandbox: Send + Sync {
    /// Layers that hold by now, with their values.
    fn layers(&self) -> &[Layer];
    /// Whether it can still be used.
    fn is_alive(&self) -> bool;
    /// Gives it a job's limits, and until when it may go on for now: milliseconds of `CLOCK_BOOTTIME`, `None` without end.
    fn start<'a>(&'a mut self, limits: &'a ClaimLimits, tenure_until_ms: Option<u64>) -> Answer<'a, ()>;
    /// Writes files below its `/work`, before anything is executed; which limit they don't fit into, if they don't.
    fn fill<'a>(&'a mut self, files: &'a [NewFile<'a>]) -> Answer<'a, Option<Full>>;
    /// Takes what matches the patterns out of its `/work`, as the last thing: whatever still lives in it is killed before.
    fn collect<'a>(&'a mut self, patterns: &'a [String], limits: Limits) -> Answer<'a, Collected>;
    /// Starts a program in it.
    fn exec(&mut self, program: Program) -> Answer<'_, Launch>;
    /// Waits until everything of the running program is dead.
    fn wait(&mut self) -> Answer<'_, Evidence>;
    /// Something that stops the running program, or lets it go on for longer, from anywhere.
    fn stopper(&self) -> Arc<dyn Stop>;
    /// Kills what is left and removes it. After an error its slot must not be used again.
    fn deprovision(self: Box<Self>) -> Answer<'static, ()>;
}

/// Reaches one sandbox from anywhere.
pub trait Stop: Send + Sync {
    /// Stops what runs in it. The first cause that is acted on wins; none after the end.
    fn stop(&self, cause: Cause);
    /// Lets it go on until then, if it was given a tenure that isn't over.
    fn extend(&self, until_ms: u64);
}

/// One file to be made below `/work`.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Relative, its segments neither empty nor `.` nor `..`.
    pub path: &'a str,
    pub bytes: &'a [u8],
    /// Mode 0755 instead of 0644.
    pub executable: bool,
}

/// One program to run.
#[derive(Debug)]
pub struct Program {
    /// Number of the step within the job, from 0.
    pub step: u32,
    /// No other step follows in this sandbox.
    pub last: bool,
    pub spec: ExecSpec,
    pub wall_time_ms: u64,
    pub cpu_time_ms: u64,
    /// Ask for the posture of the program after exec.
    pub report_posture: bool,
    /// The program's stdin, stdout, stderr.
    pub stdio: [OwnedFd; 3],
}

/// What came of an `exec`.
#[derive(Debug)]
pub enum Launch {
    Running {
        posture: Option<Posture>,
    },
    /// The program could not be executed: the guest's affair.
    NotExecutable {
        errno: i32,
    },
}

/// Why a backend could not do its part: our failure, never the guest's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// A step of the sandbox's set-up failed.
    #[error("{step}: errno {errno}: {message}")]
    Step { step: String, errno: i32, layer: Option<String>, message: String },
    /// A host path can't be what the policy says: the caller's affair. `path` is its index among the paths that were asked for.
    #[error("host path {path}: {rule:?}")]
    PathRefused { path: u32, rule: PathRule },
    /// The sandbox's tenure is over: the job may be another worker's by now.
    #[error("the tenure is over")]
    Lapsed,
    /// The program that makes sandboxes died, and all sandboxes with it.
    #[error("the forkserver died")]
    Died,
    /// The shim, which starts it, died too, and this process has given up what it takes to start another.
    #[error("the forkserver's shim died: the worker must be started again")]
    ShimDied,
    /// It died often and is not started again yet.
    #[error("the forkserver is not started again before {0} ms have passed")]
    Resting(u64),
    /// It could not be started.
    #[error("the forkserver did not start: {0}")]
    NotStarted(String),
    /// It did not answer in time.
    #[error("no answer to {0} in time")]
    Silent(&'static str),
    /// The process that writes or reads a job's files did not do it.
    #[error("clerk: {code}: {message}")]
    Clerk { code: String, message: String },
    /// It said something that does not belong there.
    #[error("unexpected answer to {request}: {answer}")]
    Confused { request: &'static str, answer: String },
    /// A sandbox could not be removed: something may still run in it.
    #[error("not removed: {0}")]
    NotRemoved(Box<BackendError>),
    /// A system call of our own failed.
    #[error("{call}: errno {errno}")]
    System { call: &'static str, errno: i32 },
}

impl BackendError {
    /// Whether nothing can be left of a sandbox whose making failed like this.
    pub fn is_clean(&self) -> bool {
        use BackendError::{Died, NotStarted, PathRefused, Resting, ShimDied, Step};
        matches!(self, Step { .. } | PathRefused { .. } | Died | ShimDied | Resting(_) | NotStarted(_))
    }

    /// A failed system call of our own.
    pub fn system(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> BackendError {
        move |errno| BackendError::System { call, errno: errno.raw_os_error() }
    }
}
