//! One sandbox of the forkserver's, as this side sees it: requests in the order of its life, and their answers.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use files::{Collected, Distrust, Full, Limits};
use forkserver::wire::{
    CLERK_PATIENCE, Cause, ClaimLimits, DEATH_PATIENCE, Event, Evidence, ExecSpec, Layer, Request, START_PATIENCE,
    SandboxPlan, Task,
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use tokio::net::UnixStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::clerk::{self, ClerkError};
use super::link::Link;
use super::socket::Arrival;
use crate::backend::{Answer, BackendError, Launch, NewFile, Program, Sandbox, Stop};
use crate::failure::errno_name;

/// How long the forkserver may take to answer, beyond what it waits for itself.
const ANSWER: Duration = Duration::from_secs(15);
/// How long after a program's own wall-time limit its end must have been reported.
const OVERTIME: Duration = ANSWER.saturating_add(DEATH_PATIENCE);

/// A sandbox that the forkserver holds.
pub struct Place {
    id: u64,
    link: Arc<Link>,
    events: UnboundedReceiver<Arrival>,
    /// Kept for its end only.
    directory: OwnedFd,
    layers: Vec<Layer>,
    deadline: Duration,
}

impl Place {
    /// Has the forkserver make a sandbox.
    pub async fn provision(link: Arc<Link>, id: u64, plan: SandboxPlan) -> Result<Place, BackendError> {
        let mut events = link.route(id)?;
        link.send(&Request::Provision { sandbox: id, plan }, Vec::new());
        let mut arrival = answer(&mut events, "Provision").await?;
        match (arrival.event, arrival.fds.pop()) {
            (Event::Provisioned { layers, .. }, Some(directory)) => {
                Ok(Place { id, link, events, directory, layers, deadline: OVERTIME })
            }
            (event, _) => {
                let failure = unexpected("Provision", event);
                finish(link, events, id).await?;
                Err(failure)
            }
        }
    }

    async fn ask(&mut self, request: Request, fds: Vec<OwnedFd>, name: &'static str) -> Result<Event, BackendError> {
        self.link.send(&request, fds);
        answer(&mut self.events, name).await.map(|arrival| arrival.event)
    }

    /// Has a clerk do something, and waits for its end too: nothing else may be asked for before.
    async fn order<T, F>(&mut self, task: Task, work: impl FnOnce(UnixStream) -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, ClerkError>>,
    {
        let no_stream = |error: io::Error| BackendError::System { call: "socketpair", errno: errno_of(&error) };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(no_stream)?;
        ours.set_nonblocking(true).map_err(no_stream)?;
        let stream = UnixStream::from_std(ours).map_err(no_stream)?;
        self.link.send(&Request::Clerk { sandbox: self.id, task }, vec![theirs.into()]);
        let done = work(stream).await;
        match answer(&mut self.events, "Clerk").await?.event {
            Event::ClerkEnded { .. } => done.map_err(BackendError::from),
            other => Err(unexpected("Clerk", other)),
        }
    }

    async fn launch(&mut self, program: Program) -> Result<Launch, BackendError> {
        let Program { step, last, spec, wall_time_ms, cpu_time_ms, report_posture, stdio: [stdin, stdout, stderr] } =
            program;
        let open_files = spec.open_files;
        let fds = vec![sealed(&spec)?, stdin, stdout, stderr];
        let request = Request::Exec { sandbox: self.id, step, last, wall_time_ms, cpu_time_ms, report_posture };
        self.deadline = Duration::from_millis(wall_time_ms) + OVERTIME;
        match self.ask(request, fds, "Exec").await? {
            Event::Started { layers, posture, .. } => {
                check_open_files(&layers, open_files)?;
                merge(&mut self.layers, layers);
                Ok(Launch::Running { posture })
            }
            Event::ExecFailed { errno, .. } => Ok(Launch::NotExecutable { errno }),
            Event::Ended { evidence: Evidence { cause: Cause::Tenure, .. }, .. } => Err(BackendError::Lapsed),
            other => Err(unexpected("Exec", other)),
        }
    }

    async fn end(&mut self) -> Result<Evidence, BackendError> {
        let arrival = match timeout(self.deadline, self.events.recv()).await {
            Ok(arrival) => arrival.ok_or(BackendError::Died)?,
            Err(_) => {
                // It keeps the time of every job; one that doesn't can't be trusted with any.
                self.link.kill().await;
                return Err(BackendError::Silent("Ended"));
            }
        };
        match arrival.event {
            Event::Ended { evidence, .. } => Ok(evidence),
            other => Err(unexpected("Ended", other)),
        }
    }
}

impl Sandbox for Place {
    fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn is_alive(&self) -> bool {
        self.link.is_alive() && self.events.is_empty()
    }

    fn start<'a>(&'a mut self, limits: &'a ClaimLimits, tenure_until_ms: Option<u64>) -> Answer<'a, ()> {
        let request = Request::Claim { sandbox: self.id, limits: limits.clone(), tenure_until_ms };
        Box::pin(async move {
            match self.ask(request, Vec::new(), "Claim").await? {
                Event::Claimed { layers, .. } => {
                    merge(&mut self.layers, layers);
                    Ok(())
                }
                other => Err(unexpected("Claim", other)),
            }
        })
    }

    fn fill<'a>(&'a mut self, files: &'a [NewFile<'a>]) -> Answer<'a, Option<Full>> {
        Box::pin(async move { self.order(Task::Fill, |stream| clerk::fill(stream, files)).await })
    }

    fn collect<'a>(&'a mut self, patterns: &'a [String], limits: Limits) -> Answer<'a, Collected> {
        Box::pin(async move { self.order(Task::Collect, |stream| clerk::collect(stream, patterns, limits)).await })
    }

    fn exec(&mut self, program: Program) -> Answer<'_, Launch> {
        Box::pin(self.launch(program))
    }

    fn wait(&mut self) -> Answer<'_, Evidence> {
        Box::pin(self.end())
    }

    fn stopper(&self) -> Arc<dyn Stop> {
        Arc::new(Stopper { id: self.id, link: self.link.clone() })
    }

    fn deprovision(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            let Place { id, link, events, directory, .. } = *self;
            let finished = finish(link, events, id).await;
            // The last reference: what a job left there is deleted by whoever gives it up. The forkserver would miss deadlines
            // for it (a million inodes take seconds), and so would the event loop.
            let thrown_away = tokio::task::spawn_blocking(move || drop(directory)).await;
            debug_assert!(thrown_away.is_ok(), "closing a descriptor does not panic");
            finished
        })
    }
}

struct Stopper {
    id: u64,
    link: Arc<Link>,
}

impl Stop for Stopper {
    fn stop(&self, cause: Cause) {
        self.link.send(&Request::Kill { sandbox: self.id, cause }, Vec::new());
    }

    fn extend(&self, until_ms: u64) {
        self.link.send(&Request::Tenure { sandbox: self.id, until_ms }, Vec::new());
    }
}

/// Has a sandbox removed. When the forkserver is gone, the sandbox is too.
async fn finish(link: Arc<Link>, mut events: UnboundedReceiver<Arrival>, id: u64) -> Result<(), BackendError> {
    link.send(&Request::Deprovision { sandbox: id }, Vec::new());
    let outcome = loop {
        match answer(&mut events, "Deprovision").await {
            Err(BackendError::Died) => break Ok(()),
            Err(error) => break Err(error),
            Ok(Arrival { event: Event::Deprovisioned { .. }, .. }) => break Ok(()),
            // What was still under way when it was given up.
            Ok(Arrival {
                event:
                    Event::Ended { .. }
                    | Event::ClerkEnded { .. }
                    | Event::Started { .. }
                    | Event::Claimed { .. }
                    | Event::Lapsed { .. }
                    | Event::ExecFailed { .. },
                ..
            }) => {}
            Ok(Arrival { event, .. }) => break Err(unexpected("Deprovision", event)),
        }
    };
    link.unroute(id);
    outcome.map_err(|error| BackendError::NotRemoved(Box::new(error)))
}

async fn answer(events: &mut UnboundedReceiver<Arrival>, request: &'static str) -> Result<Arrival, BackendError> {
    let arrival = timeout(patience(request), events.recv()).await.map_err(|_| BackendError::Silent(request))?;
    arrival.ok_or(BackendError::Died)
}

fn patience(request: &str) -> Duration {
    match request {
        // One that can't be executed is told when all of it is dead.
        "Exec" => ANSWER + START_PATIENCE + DEATH_PATIENCE,
        "Clerk" => ANSWER + CLERK_PATIENCE + DEATH_PATIENCE,
        "Deprovision" => ANSWER + DEATH_PATIENCE,
        _ => ANSWER,
    }
}

fn unexpected(request: &'static str, event: Event) -> BackendError {
    match event {
        Event::Failed { error, .. } => error.into(),
        Event::Lapsed { .. } => BackendError::Lapsed,
        Event::PathRefused { path, rule, .. } => BackendError::PathRefused { path, rule },
        other => BackendError::Confused { request, answer: format!("{other:?}") },
    }
}

/// What the kernel shows of the program must not be more than it was to get; less is the program's own doing.
fn check_open_files(layers: &[Layer], most: u64) -> Result<(), BackendError> {
    let shown = layers.iter().find(|one| one.layer == "rlimits").and_then(|one| one.value.as_deref()?.parse().ok());
    match shown.is_some_and(|shown: u64| shown <= most) {
        true => Ok(()),
        false => Err(BackendError::Step {
            step: "Rlimits".to_owned(),
            errno: libc::EPROTO,
            layer: Some("rlimits".to_owned()),
            message: format!("open files: {shown:?} in place of {most}"),
        }),
    }
}

/// Later values of a layer replace earlier ones.
fn merge(layers: &mut Vec<Layer>, more: Vec<Layer>) {
    for layer in more {
        match layers.iter_mut().find(|one| one.layer == layer.layer) {
            Some(known) => *known = layer,
            None => layers.push(layer),
        }
    }
}

/// A document in a file that nobody can change any more.
fn sealed(spec: &ExecSpec) -> Result<OwnedFd, BackendError> {
    let text = serde_json::to_vec(spec).expect("a spec is plain data");
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
    let fd = memfd_create("exec", flags)
        .or_else(|_| memfd_create("exec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING))
        .map_err(BackendError::system("memfd_create"))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(&text).map_err(|error| BackendError::System { call: "write", errno: errno_of(&error) })?;
    let fd = OwnedFd::from(file);
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&fd, seals).map_err(BackendError::system("fcntl_add_seals"))?;
    Ok(fd)
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}

impl From<ClerkError> for BackendError {
    fn from(error: ClerkError) -> BackendError {
        let code = match &error {
            ClerkError::Gone(_) => "died".to_owned(),
            ClerkError::Distrusted(Distrust::NotAsked(_)) => "confused".to_owned(),
            ClerkError::Distrusted(Distrust::Failed { errno, .. }) => errno_name(*errno),
        };
        BackendError::Clerk { code, message: error.to_string() }
    }
}
