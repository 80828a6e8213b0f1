//! One forkserver under test, and the facts about it that must hold after every session.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use forkserver::kernel;
use forkserver::wire::{Event, HostPlan, Request, SandboxPlan, VERSION};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::feedback;
use super::host::{debian, hierarchies};
use super::socket::{command, control_pair, receive, send};

/// Uids of a block per process and server, far from those of other tests.
const FIRST_UID: u32 = 1_000_000_000;
const UIDS: u32 = 16;
/// The slot that sessions don't use.
const OWN_SLOT: u32 = 7;
/// Init's end of its socket is this descriptor (the forkserver's `init.rs`).
const INIT_SOCKET: i32 = 3;
/// An order of magnitude above what it takes.
const MOST_MEMORY_KIB: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    shim: Child,
    forkserver: i32,
    socket: OwnedFd,
    houses: Vec<PathBuf>,
    said: fs::File,
    next_sandbox: u64,
    descriptors: usize,
    _stage: tempfile::TempDir,
}

impl Server {
    /// Starts one. What it needs as descriptors when no sandbox is there is known after the first.
    pub fn start() -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = control_pair();
        let said = tempfile::tempfile().expect("a file");
        let shim = command(&program(), &theirs)
            .stderr(said.try_clone().expect("a copy"))
            .spawn()
            .expect("the forkserver starts");
        drop(theirs);
        let stage = tempfile::tempdir().expect("a directory");
        let cgroups = hierarchies();
        let instance = format!("fuzz-{}-{number}", std::process::id());
        let house =
            |place: &forkserver::wire::CgroupHierarchy| Path::new(&place.directory).join("bullpen").join(&instance);
        let houses = cgroups.iter().map(house).collect();
        let host = HostPlan {
            instance: instance.clone(),
            stage_dir: stage.path().to_str().expect("UTF-8").to_owned(),
            first_uid: FIRST_UID + (std::process::id() % 4096 * 64 + number % 64) * UIDS,
            uid_count: UIDS,
            cgroups,
            roots: vec![debian()],
            host_roots: Vec::new(),
            substitutes: Vec::new(),
        };
        let mut server =
            Server { shim, forkserver: 0, socket: ours, houses, said, next_sandbox: 1, descriptors: 0, _stage: stage };
        server.ask(&Request::Hello { version: VERSION, host }, &[]);
        assert!(matches!(server.hear(), Some(Event::Ready { .. })), "ready");
        server.forkserver = only_child(server.shim.id() as i32);
        server.prove_that_it_serves();
        server.descriptors = server.count_descriptors();
        server
    }

    pub fn ask(&self, request: &Request, fds: &[BorrowedFd<'_>]) {
        self.send(&serde_json::to_vec(request).expect("plain data"), fds);
    }

    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
        send(&self.socket, bytes, fds);
    }

    /// The next answer; `None` when it has ended.
    fn hear(&self) -> Option<Event> {
        let (event, _) = receive(&self.socket)?;
        feedback::note(&event);
        Some(event)
    }

    /// Takes all answers that are there.
    pub fn drain(&self) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        while poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0) {
            assert!(self.hear().is_some(), "it went away by itself: {}", self.words());
        }
    }

    /// Says something in the name of a sandbox's PID 1, if there is one.
    pub fn say_as_init(&self, sandbox: u64, report: &[u8], descriptors: u8) {
        let members = self
            .houses
            .iter()
            .find_map(|house| kernel::read(house.join(sandbox.to_string()).join("cgroup.procs").to_str()?).ok());
        let init = members.as_deref().and_then(kernel::members).and_then(|members| members.into_iter().min());
        let Some(init) = init.and_then(Pid::from_raw) else { return };
        let Ok(process) = pidfd_open(init, PidfdFlags::empty()) else { return };
        let Ok(socket) = pidfd_getfd(&process, INIT_SOCKET, PidfdGetfdFlags::empty()) else { return };
        let fds = vec![process.as_fd(); usize::from(descriptors % 4)];
        let _ = super::socket::try_send(&socket, report, &fds);
    }

    pub fn begin_session(&mut self) -> u64 {
        self.next_sandbox += 3;
        self.next_sandbox - 3
    }

    /// All of its sandboxes are wanted no more: nothing of them may stay, and the next one must work.
    pub fn end_session(&mut self) {
        for sandbox in self.next_sandbox - 3..self.next_sandbox {
            self.ask(&Request::Deprovision { sandbox }, &[]);
        }
        self.eventually("no leaf is left", |it| it.houses.iter().all(|house| directories_in(house) == 0));
        self.prove_that_it_serves();
        self.eventually("no descriptor is left over", |it| it.count_descriptors() <= it.descriptors);
        let status = kernel::read(&format!("/proc/{}/status", self.forkserver)).expect("it lives");
        let memory =
            kernel::status_line(&status, "VmRSS").and_then(|value| value.split(' ').next()?.parse::<u64>().ok());
        assert!(memory.is_some_and(|kib| kib < MOST_MEMORY_KIB), "{memory:?} KiB");
    }

    /// It was sent what is not of the protocol: it says so, clears up, and ends.
    pub fn end_as_refused(mut self) {
        let mut last = None;
        while let Some(event) = self.hear() {
            last = Some(event);
        }
        assert!(matches!(last, Some(Event::Refused { .. })), "its last word was {last:?}: {}", self.words());
        let status = self.shim.wait().expect("it ends");
        assert_eq!(status.code(), Some(1), "{}", self.words());
        assert!(!self.words().contains("panicked"), "{}", self.words());
        for house in &self.houses {
            assert!(!house.exists(), "{} is left", house.display());
        }
    }

    fn prove_that_it_serves(&mut self) {
        let sandbox = self.next_sandbox;
        self.next_sandbox += 1;
        let plan = SandboxPlan { root: "debian".into(), slot: OWN_SLOT, loopback: false, paths: Vec::new() };
        self.ask(&Request::Provision { sandbox, plan }, &[]);
        self.ask(&Request::Deprovision { sandbox }, &[]);
        loop {
            match self.hear() {
                Some(Event::Deprovisioned { sandbox: gone, .. }) if gone == sandbox => return,
                Some(Event::Failed { sandbox: failed, error }) if failed == sandbox => panic!("{error:?}"),
                Some(_) => {}
                None => panic!("it ended: {}", self.words()),
            }
        }
    }

    fn eventually(&self, what: &str, fact: impl Fn(&Server) -> bool) {
        let began = Instant::now();
        while !fact(self) {
            assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}: {}", self.words());
            self.drain();
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn count_descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.forkserver)).expect("it lives").count()
    }

    /// What it wrote on its standard error.
    fn words(&self) -> String {
        let mut words = String::new();
        let mut said = &self.said;
        said.seek(SeekFrom::Start(0)).and_then(|_| said.read_to_string(&mut words)).expect("a file");
        words
    }
}

fn program() -> String {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../bin/bullpen-forkserver");
    std::env::var("BULLPEN_FORKSERVER").unwrap_or_else(|_| built.to_owned())
}

fn directories_in(house: &Path) -> usize {
    fs::read_dir(house).map_or(0, |entries| entries.flatten().filter(|entry| entry.path().is_dir()).count())
}

fn only_child(parent: i32) -> i32 {
    let list = kernel::read(&format!("/proc/{parent}/task/{parent}/children")).expect("children");
    kernel::children(&list).next().expect("the shim has a child")
}
