//! Drives the real program as the sandbox library does, as root on the real kernel.
#![allow(dead_code)] // each test file uses a part of it

use base64::Engine;
use forkserver::wire::*;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::FdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    stage: tempfile::TempDir,
}

impl Forkserver {
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
            stage,
        };
        let mut host = server.host_plan();
        change(&mut host);
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
            cgroups: hierarchies(),
            roots: vec![debian()],
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
        let plan =
            SandboxPlan { root: "debian".into(), slot: (self.next_sandbox % u64::from(UIDS)) as u32, loopback: false };
        self.provision_as(plan)
    }

    pub fn provision_as(&mut self, plan: SandboxPlan) -> Sandbox<'_> {
        let id = self.next_sandbox;
        self.next_sandbox += 1;
        self.send(&Request::Provision { sandbox: id, plan }, &[]);
        match self.receive() {
            (Event::Provisioned { sandbox, uid, gid, layers, stages }, mut fds) => {
                assert_eq!((sandbox, uid, fds.len()), (id, gid, 1));
                Sandbox { server: self, id, uid, layers, stages, root: fds.pop().expect("the workspace") }
            }
            (other, _) => panic!("not provisioned: {other:?}"),
        }
    }

    /// A sandbox with [`limits`], ready to run.
    pub fn claimed(&mut self) -> Sandbox<'_> {
        self.claimed_with(limits())
    }

    pub fn claimed_with(&mut self, limits: ClaimLimits) -> Sandbox<'_> {
        let sandbox = self.provision();
        sandbox.claim(limits);
        sandbox
    }

    /// Runs one program in a sandbox of its own.
    pub fn run(&mut self, argv: &[&str]) -> Ran {
        self.claimed().run_last(exec(argv))
    }

    /// Directories of this instance's leaves in all hierarchies.
    pub fn leaf_houses(&self) -> Vec<PathBuf> {
        hierarchies().iter().map(|it| Path::new(&it.directory).join("bullpen").join(&self.instance)).collect()
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
    pub layers: Vec<Layer>,
    pub stages: Vec<Stage>,
    pub root: OwnedFd,
}

impl Sandbox<'_> {
    pub fn claim(&self, limits: ClaimLimits) {
        self.server.send(&Request::Claim { sandbox: self.id, limits }, &[]);
        match self.server.receive() {
            (Event::Claimed { sandbox }, _) => assert_eq!(sandbox, self.id),
            (other, _) => panic!("not claimed: {other:?}"),
        }
    }

    /// A file in the job's working directory, owned by the slot.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        use rustix::fs::{Gid, Mode, OFlags, Uid, fchown, openat};
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = openat(&self.root, format!("work/{name}"), flags, Mode::from_raw_mode(0o755)).expect("create");
        fchown(&file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.uid))).expect("chown");
        File::from(file).write_all(bytes).expect("write");
    }

    /// Starts a program; answers come by [`Forkserver::receive`].
    pub fn start(&self, step: u32, last: bool, ask: &Ask) -> Streams {
        let spec = sealed(&serde_json::to_vec(&ask.spec).expect("JSON"));
        let (stdin, stdin_writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        let (stdout_reader, stdout) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        let (stderr_reader, stderr) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        drop(stdin_writer);
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

/// A program to run, with the limits of its exec.
#[derive(Clone)]
pub struct Ask {
    pub spec: ExecSpec,
    pub wall_time_ms: u64,
    pub cpu_time_ms: u64,
    pub posture: bool,
}

pub fn exec(argv: &[&str]) -> Ask {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/work"), ("LANG", "C.UTF-8")];
    Ask {
        spec: ExecSpec {
            argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
            env: env.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            cwd: "/work".into(),
            open_files: 256,
            file_size_bytes: 64 << 20,
            seccomp: filter(&[ALLOW]),
            landlock_deny_tcp: true,
        },
        wall_time_ms: 10_000,
        cpu_time_ms: 10_000,
        posture: false,
    }
}

pub fn shell(script: &str) -> Ask {
    exec(&["/bin/sh", "-c", script])
}

pub fn perl(script: &str) -> Ask {
    exec(&["/usr/bin/perl", "-e", script])
}

/// One BPF instruction: code, jt, jf, k.
pub type Instruction = (u16, u8, u8, u32);
pub const ALLOW: Instruction = (0x06, 0, 0, 0x7fff_0000);

/// A compiled filter as the wire carries it.
pub fn filter(instructions: &[Instruction]) -> String {
    let mut bytes = Vec::new();
    for (code, jt, jf, k) in instructions {
        bytes.extend(code.to_ne_bytes());
        bytes.extend([*jt, *jf]);
        bytes.extend(k.to_ne_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A filter that answers `errno` to one system call and allows the rest.
pub fn deny(number: i64, errno: i32) -> String {
    let load_number = (0x20, 0, 0, 0);
    let jump_if_other = (0x15, 0, 1, number as u32);
    let refuse = (0x06, 0, 0, 0x0005_0000 | errno as u32);
    filter(&[load_number, jump_if_other, refuse, ALLOW])
}

pub fn limits() -> ClaimLimits {
    ClaimLimits { memory_bytes: 256 << 20, processes: 64, cpu_millis: 1000, disk_bytes: 64 << 20, inodes: 1000 }
}

pub struct Streams {
    stdout: std::thread::JoinHandle<String>,
    stderr: std::thread::JoinHandle<String>,
}

pub struct Started {
    pub layers: Vec<Layer>,
    pub posture: Option<Posture>,
    pub stages: Vec<Stage>,
}

#[derive(Debug)]
pub enum End {
    None,
    Evidence(Evidence),
    ExecFailed(i32),
    Failed(StepError),
}

/// A program that ended.
pub struct Ran {
    pub started: Option<Started>,
    pub end: End,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn evidence(&self) -> &Evidence {
        match &self.end {
            End::Evidence(evidence) => evidence,
            other => panic!("no evidence: {other:?}, stderr {:?}", self.stderr),
        }
    }

    /// It ended by itself, with this code.
    #[track_caller]
    pub fn exited(&self, code: i32) -> &Evidence {
        let evidence = self.evidence();
        assert_eq!(
            (evidence.cause, evidence.status),
            (Cause::Exit, Some(ExitStatus::Code(code))),
            "{evidence:?} {}",
            self.stderr
        );
        evidence
    }

    #[track_caller]
    pub fn posture(&self) -> &Posture {
        self.started.as_ref().and_then(|started| started.posture.as_ref()).expect("a posture")
    }
}

pub fn status_of<'a>(posture: &'a Posture, key: &str) -> &'a str {
    posture.status.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).unwrap_or("missing")
}

fn drain(reader: OwnedFd) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(reader).read_to_end(&mut bytes).expect("read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

pub fn control_pair() -> (OwnedFd, OwnedFd) {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("socketpair");
    sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(Duration::from_secs(30))).expect("timeout");
    (ours, theirs)
}

/// A program with the control socket on descriptor 3.
pub fn command(program: &str, control: &OwnedFd) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_clear();
    let source = control.as_raw_fd();
    // SAFETY: only dup2 and fcntl, which are async-signal-safe; the socket outlives the spawn.
    unsafe {
        command.pre_exec(move || {
            let source = BorrowedFd::borrow_raw(source);
            if source.as_raw_fd() == CONTROL_FD {
                rustix::io::fcntl_setfd(source, FdFlags::empty())?;
            } else if libc::dup2(source.as_raw_fd(), CONTROL_FD) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command
}

pub fn send(socket: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).expect("send");
}

/// `None` when the peer is gone.
pub fn receive(socket: &OwnedFd) -> Option<(Event, Vec<OwnedFd>)> {
    let mut buffer = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        // With a timeout, the kernel lets the freezing of a machine interrupt it.
        match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received.expect("receive"),
        }
    };
    let fds = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return None;
    }
    Some((serde_json::from_slice(&buffer[..received.bytes]).expect("an event"), fds))
}

pub fn sealed(bytes: &[u8]) -> OwnedFd {
    let memfd = memfd_create("spec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    let mut file = File::from(memfd);
    file.write_all(bytes).expect("write");
    let memfd = OwnedFd::from(file);
    fcntl_add_seals(&memfd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).expect("seal");
    memfd
}

/// The v1 hierarchies of this host, below this process' own cgroup in each.
pub fn hierarchies() -> Vec<CgroupHierarchy> {
    let own = fs::read_to_string("/proc/self/cgroup").expect("cgroup");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    ["memory", "pids", "cpu", "cpuacct"]
        .iter()
        .map(|controller| {
            let has = |list: &str| list.split(',').any(|name| name == *controller);
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                if has(parts.next()?) { parts.next() } else { None }
            });
            let mount = mounts.lines().find_map(|line| {
                let (left, right) = line.split_once(" - ")?;
                let mut right = right.split(' ');
                if right.next()? == "cgroup" && has(right.nth(1)?) { left.split(' ').nth(4) } else { None }
            });
            let directory = format!("{}{}", mount.expect("a v1 hierarchy"), path.expect("own path"));
            CgroupHierarchy {
                controller: (*controller).to_owned(),
                directory: directory.trim_end_matches('/').to_owned(),
            }
        })
        .collect()
}

pub fn debian() -> RootPlan {
    let link = |path: &str, target: &str| (path.to_owned(), target.to_owned());
    RootPlan {
        name: "debian".into(),
        binds: vec![BindPlan { source: "/usr".into(), target: "/usr".into() }],
        symlinks: vec![
            link("/bin", "usr/bin"),
            link("/sbin", "usr/sbin"),
            link("/lib", "usr/lib"),
            link("/lib64", "usr/lib64"),
        ],
        files: vec![
            link("/etc/passwd", "bullpen:x:1000:1000::/work:/bin/sh\n"),
            link("/etc/group", "bullpen:x:1000:\n"),
        ],
        copies: vec!["/etc/alternatives".into(), "/etc/ld.so.cache".into(), "/etc/no-such-file".into()],
    }
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
