//! A real engine on this host, for tests: the real forkserver, root, no mocks.
#![allow(dead_code)] // each test file uses a part of it

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal};
use sandbox::{Engine, EngineError, Execution, door};
use serde_json::{Value, json};

/// Uids for tests; each engine takes a block of its own.
const FIRST_UID: u32 = 1_500_000_000;
const BLOCK: u32 = 32;

static ENGINES: AtomicU32 = AtomicU32::new(0);

/// An engine with its own run directory, instance name and uids.
pub struct Pen {
    pub engine: Engine,
    run_dir: tempfile::TempDir,
}

/// The forkserver: of `BULLPEN_FORKSERVER`, else the built artefact.
fn forkserver() -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../bin/bullpen-forkserver");
    let path = std::env::var_os("BULLPEN_FORKSERVER").map_or_else(|| PathBuf::from(built), PathBuf::from);
    assert!(
        path.exists(),
        "{} does not exist: build it (npm run build:native), or name it in BULLPEN_FORKSERVER",
        path.display()
    );
    path
}

impl Pen {
    /// Opens an engine with `more` over a plain configuration.
    pub async fn open(more: Value) -> Pen {
        Pen::try_open(more).await.expect("an engine")
    }

    /// The same, with what is wrong if the engine doesn't open.
    pub async fn try_open(more: Value) -> Result<Pen, EngineError> {
        let run_dir = tempfile::tempdir().expect("a directory");
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let mut config = json!({
            "version": 1,
            "instance": format!("test-{process}-{number}"),
            "forkserverPath": forkserver(),
            "uids": { "first": FIRST_UID + (process % 1000 * 64 + number) * BLOCK, "count": BLOCK },
            "runDir": run_dir.path(),
            "pools": {},
        });
        config.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        let engine = Engine::open(&config.to_string()).await?;
        Ok(Pen { engine, run_dir })
    }

    /// Kills the forkserver of this engine, as an out-of-memory killer would.
    pub fn kill_forkserver(&self) {
        let stage = self.run_dir.path().to_string_lossy().into_owned();
        let mounts = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let pids = std::fs::read_dir("/proc")
            .expect("/proc")
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours: Vec<u32> = pids.filter(|pid| mounts(pid).contains(&stage)).collect();
        let forkserver = ours.into_iter().min().expect("a forkserver has its stage mounted");
        rustix::process::kill_process(Pid::from_raw(forkserver as i32).expect("a pid"), Signal::KILL).expect("killed");
    }

    /// Begins a job: `more` over a python job.
    pub fn begin(&self, more: Value) -> Execution {
        self.engine.run(job(more).to_string().into_bytes(), &context()).expect("begun")
    }

    /// Runs a job document's bytes.
    pub async fn run_bytes(&self, document: &[u8]) -> Value {
        result_of(&self.engine.run(document.to_vec(), &context()).expect("begun")).await
    }

    /// Runs a job: `more` over a python job.
    pub async fn run(&self, more: Value) -> Value {
        self.run_bytes(job(more).to_string().as_bytes()).await
    }
}

/// The result of a job, which the schema must allow.
pub async fn result_of(execution: &Execution) -> Value {
    let result = serde_json::from_slice(&execution.wait().await).expect("a result document");
    assert_eq!(door::check(door::Document::Result, &result), [], "{result:#}");
    result
}

/// A python job with `more` over it.
pub fn job(more: Value) -> Value {
    let mut job = json!({ "kind": "job", "version": 1, "runtime": "python" });
    job.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    job
}

/// The context of a first attempt.
pub fn context() -> String {
    json!({ "uid": "abcdefghijklmnopqrstuvwxyz", "epoch": 1, "tenant": "acme", "id": "j-1", "queuedUs": 5, "worker": "w-test" }).to_string()
}
