//! Drives the real program as the sandbox library does, as root on the real kernel.
#![allow(dead_code, unused_imports)] // each test file uses a part of it

mod ask;
mod clerk;
mod host;
mod ran;
mod rootless;
mod socket;

pub use ask::*;
pub use clerk::*;
use forkserver::wire::*;
pub use host::*;
pub use ran::*;
pub use rootless::*;
use rustix::fs::{Gid, Uid};
use rustix::pipe::{PipeFlags, pipe_with};
pub use socket::*;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_bullpen-forkserver");
/// Uids of these tests; each forkserver takes a block of its own.
const FIRST_UID: u32 = 900_000;
const UIDS: u32 = 16;

/// A running forkserver.
pub struct Forkserver {
    pub process: Child,
    pub socket: OwnedFd,
    pub instance: String,
    pub first_uid: u32,
    pub landlock_abi: u32,
    next_sandbox: u64,
    cgroups: Vec<CgroupHierarchy>,
    stage: tempfile::TempDir,
}

impl Forkserver {
    /// Starts it with one of the ways in which this host keeps cgroups.
    pub fn start_with(kind: &Kind) -> Forkserver {
        Forkserver::start_planned(|plan| plan.cgroups.clone_from(&kind.hierarchies))
    }

    pub fn start() -> Forkserver {
        Forkserver::start_planned(|_| {})
    }

    /// Starts it with another plan.
    pub fn start_planned(change: impl FnOnce(&mut HostPlan)) -> Forkserver {
        Forkserver::start_by(|control| command(PROGRAM, control).spawn().expect("forkserver starts"), change)
    }

    /// Starts it by `spawn`, which is given its end of the control socket.
    pub fn start_by(spawn: impl FnOnce(&OwnedFd) -> Child, change: impl FnOnce(&mut HostPlan)) -> Forkserver {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let first_uid = FIRST_UID + (std::process::id() % 2000) * 1000 + number * UIDS;
        let (ours, theirs) = control_pair();
        let process = spawn(&theirs);
        drop(theirs);
        let stage = tempfile::tempdir().expect("stage directory");
        let mut server = Forkserver {
            process,
            socket: ours,
            instance: format!("t-{}-{number}", std::process::id()),
            first_uid,
            landlock_abi: 0,
            next_sandbox: 1,
            cgroups: hierarchies(),
            stage,
        };
        let mut host = server.host_plan();
        change(&mut host);
        server.cgroups.clone_from(&host.cgroups);
        server.send(&Request::Hello { version: VERSION, host }, &[]);
        match server.receive() {
            (Event::Ready { version, landlock_abi }, _) => {
                assert_eq!(version, VERSION);
                server.landlock_abi = landlock_abi;
            }
            (other, _) => panic!("no ready: {other:?}"),
        }
        server
    }

    pub fn host_plan(&self) -> HostPlan {
        HostPlan {
            instance: self.instance.clone(),
            stage_dir: self.stage.path().to_str().expect("UTF-8").to_owned(),
            first_uid: self.first_uid,
            uid_count: UIDS,
            cgroups: self.cgroups.clone(),
            roots: vec![debian()],
            host_roots: Vec::new(),
            substitutes: Vec::new(),
        }
    }

    pub fn stage_dir(&self) -> &Path {
        self.stage.path()
    }

    pub fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) {
        send(&self.socket, &serde_json::to_vec(request).expect("JSON"), fds);
    }

    pub fn receive(&self) -> (Event, Vec<OwnedFd>) {
        receive(&self.socket).expect("the forkserver is there")
    }

    /// A provisioned sandbox in a slot of its own.
    pub fn provision(&mut self) -> Sandbox<'_> {
        let plan = self.plan(Vec::new());
        self.provision_as(plan)
    }

    /// A plan for a slot of its own, with these host paths.
    pub fn plan(&self, paths: Vec<PathPlan>) -> SandboxPlan {
        let slot = (self.next_sandbox % u64::from(UIDS)) as u32;
        SandboxPlan { root: "debian".into(), slot, loopback: false, paths }
    }

    /// A claimed sandbox with host paths, or which of them is refused and why.
    pub fn with_paths(&mut self, paths: Vec<PathPlan>) -> Result<Sandbox<'_>, (u32, PathRule)> {
        let (id, plan) = (self.next_sandbox, self.plan(paths));
        self.next_sandbox += 1;
        self.send(&Request::Provision { sandbox: id, plan }, &[]);
        match self.receive() {
            (Event::Provisioned { uid, gid, layers, stages, .. }, mut fds) => {
                let mut sandbox =
                    Sandbox { server: self, id, uid, gid, layers, stages, root: fds.pop().expect("the workspace") };
                sandbox.layers.extend(sandbox.claim(limits()));
                Ok(sandbox)
            }
            (Event::PathRefused { path, rule, .. }, _) => {
                self.send(&Request::Deprovision { sandbox: id }, &[]);
                assert!(matches!(self.receive().0, Event::Deprovisioned { .. }));
                Err((path, rule))
            }
            (other, _) => panic!("not provisioned: {other:?}"),
        }
    }

    pub fn provision_as(&mut self, plan: SandboxPlan) -> Sandbox<'_> {
        let id = self.next_sandbox;
        self.next_sandbox += 1;
        self.send(&Request::Provision { sandbox: id, plan }, &[]);
        match self.receive() {
            (Event::Provisioned { sandbox, uid, gid, layers, stages }, mut fds) => {
                assert_eq!((sandbox, fds.len()), (id, 1));
                Sandbox { server: self, id, uid, gid, layers, stages, root: fds.pop().expect("the workspace") }
            }
            (other, _) => panic!("not provisioned: {other:?}"),
        }
    }

    /// A sandbox with [`limits`], ready to run.
    pub fn claimed(&mut self) -> Sandbox<'_> {
        self.claimed_with(limits())
    }

    pub fn claimed_with(&mut self, limits: ClaimLimits) -> Sandbox<'_> {
        let mut sandbox = self.provision();
        sandbox.layers.extend(sandbox.claim(limits));
        sandbox
    }

    /// Runs one program in a sandbox of its own.
    pub fn run(&mut self, argv: &[&str]) -> Ran {
        self.claimed().run_last(exec(argv))
    }

    /// Directories of this instance's leaves in all hierarchies.
    pub fn leaf_houses(&self) -> Vec<PathBuf> {
        self.cgroups.iter().map(|it| Path::new(&it.directory).join("bullpen").join(&self.instance)).collect()
    }

    /// Closes the control socket and waits for the end.
    pub fn close(self) -> std::process::ExitStatus {
        let Forkserver { mut process, socket, stage, .. } = self;
        drop(socket);
        let status = process.wait().expect("wait");
        drop(stage);
        status
    }
}

/// One sandbox of a [`Forkserver`].
pub struct Sandbox<'a> {
    pub server: &'a Forkserver,
    pub id: u64,
    pub uid: u32,
    pub gid: u32,
    pub layers: Vec<Layer>,
    pub stages: Vec<Stage>,
    pub root: OwnedFd,
}

impl Sandbox<'_> {
    /// Answers the layers that its limits are.
    pub fn claim(&self, limits: ClaimLimits) -> Vec<Layer> {
        self.claim_until(limits, None)
    }

    /// The same with a tenure, in milliseconds of [`boottime_ms`].
    pub fn claim_until(&self, limits: ClaimLimits, tenure_until_ms: Option<u64>) -> Vec<Layer> {
        self.server.send(&Request::Claim { sandbox: self.id, limits, tenure_until_ms }, &[]);
        match self.server.receive() {
            (Event::Claimed { sandbox, layers }, _) => {
                assert_eq!(sandbox, self.id);
                layers
            }
            (other, _) => panic!("not claimed: {other:?}"),
        }
    }

    /// A file in the job's working directory, owned by the slot.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        use rustix::fs::{Mode, OFlags, fchown, openat};
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let create = || openat(&self.root, format!("work/{name}"), flags, Mode::from_raw_mode(0o755)).expect("create");
        let file = as_owner_of_files(self.uid, create);
        fchown(&file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid))).expect("chown");
        File::from(file).write_all(bytes).expect("write");
    }

    /// Starts a program; answers come by [`Forkserver::receive`].
    pub fn start(&self, step: u32, last: bool, ask: &Ask) -> Streams {
        let spec = sealed(&serde_json::to_vec(&ask.spec).expect("JSON"));
        let (stdin, stdin_writer) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let (stdout_reader, stdout) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        let (stderr_reader, stderr) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        drop(stdin_writer);
        if self.uid == USER {
            // An ordinary user's worker makes its own pipes; this one is root.
            for pipe in [&stdin, &stdout, &stderr] {
                rustix::fs::fchown(pipe, Some(Uid::from_raw(USER)), Some(Gid::from_raw(USER))).expect("chown");
            }
        }
        let request = Request::Exec {
            sandbox: self.id,
            step,
            last,
            wall_time_ms: ask.wall_time_ms,
            cpu_time_ms: ask.cpu_time_ms,
            report_posture: ask.posture,
        };
        self.server.send(&request, &[spec.as_fd(), stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]);
        Streams { stdout: drain(stdout_reader), stderr: drain(stderr_reader) }
    }

    /// Waits for the end of a started program.
    pub fn finish(&self, streams: Streams) -> Ran {
        let mut ran = Ran { started: None, end: End::None, stdout: String::new(), stderr: String::new() };
        while matches!(ran.end, End::None) {
            match self.server.receive().0 {
                Event::Started { layers, posture, stages, .. } => {
                    ran.started = Some(Started { layers, posture, stages })
                }
                Event::Ended { evidence, .. } => ran.end = End::Evidence(evidence),
                Event::ExecFailed { errno, .. } => ran.end = End::ExecFailed(errno),
                Event::Failed { error, .. } => ran.end = End::Failed(error),
                other => panic!("unexpected {other:?}"),
            }
        }
        ran.stdout = streams.stdout.join().expect("stdout");
        ran.stderr = streams.stderr.join().expect("stderr");
        ran
    }

    pub fn run(&self, step: u32, last: bool, ask: &Ask) -> Ran {
        self.finish(self.start(step, last, ask))
    }

    /// Runs one program and removes the sandbox.
    pub fn run_last(self, ask: Ask) -> Ran {
        let ran = self.run(0, true, &ask);
        self.deprovision();
        ran
    }

    pub fn extend(&self, until_ms: u64) {
        self.server.send(&Request::Tenure { sandbox: self.id, until_ms }, &[]);
    }

    pub fn kill(&self, cause: Cause) {
        self.server.send(&Request::Kill { sandbox: self.id, cause }, &[]);
    }

    pub fn deprovision(self) -> Vec<Stage> {
        let Sandbox { server, id, root, .. } = self;
        drop(root);
        server.send(&Request::Deprovision { sandbox: id }, &[]);
        match server.receive() {
            (Event::Deprovisioned { sandbox, stages }, _) => {
                assert_eq!(sandbox, id);
                stages
            }
            (other, _) => panic!("not deprovisioned: {other:?}"),
        }
    }
}

/// Milliseconds of the clock that tenures are told on.
pub fn boottime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Waits until `fact` holds.
#[track_caller]
pub fn eventually(limit: Duration, what: &str, fact: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !fact() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
