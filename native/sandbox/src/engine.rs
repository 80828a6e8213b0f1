//! The engine: the backends, pools and runtimes of one worker, and the jobs that run on them. Strings in, strings out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::backend::Depth;
use crate::config::Config;
use crate::control::Control;
use crate::door::{self, Issue};
use crate::explain;
use crate::failure::{Failure, Step};
use crate::house::House;
use crate::outcome::{self, KillReason};
use crate::policy::layers::ProbedLayer;
use crate::result::{Context, Report};
use crate::run;

/// How long closing waits for jobs that it has killed.
const PARTING: Duration = Duration::from_secs(10);
/// Largest context of a run. Bytes.
const CONTEXT_MAX_BYTES: usize = 16 * 1024;

/// Why the engine itself refused a call; never the guest's doing.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The worker configuration is invalid; the message names the field.
    #[error("configuration: {path}: {message}")]
    Config { path: String, message: String },
    /// The context of a run is not what the worker has to give.
    #[error("context: {0}")]
    Context(String),
    /// `kill` was given a reason outside its closed set.
    #[error("kill: unknown reason {0}; one of cancelled, drain, lock-lost")]
    KillReason(String),
    /// The engine was closed.
    #[error("the engine is closed")]
    Closed,
    /// A directory or descriptor of our own could not be made.
    #[error("{step}: {message}")]
    Host { step: &'static str, message: String },
}

/// How often a runtime is tried when what fails is our own, such as a forkserver that dies meanwhile.
const TRIES: u32 = 3;

/// The backends, pools and runtimes of one worker.
pub struct Engine {
    house: Arc<House>,
    jobs: Arc<Jobs>,
    runtime: Handle,
}

/// A result document: JSON, UTF-8.
pub type Document = Arc<Vec<u8>>;

/// One job under way.
pub struct Execution {
    control: Arc<Control>,
    result: watch::Receiver<Option<Document>>,
}

impl Engine {
    /// Opens an engine. `config_json` is a worker configuration document with two fields more: `instance` (this worker's
    /// name, `[a-z0-9-]{1,64}`) and `forkserverPath` (the program); its `uids` is the block leased by this instance.
    /// Every layer is looked at once; what doesn't hold is no error here, but refuses the jobs that need it.
    /// Must be called inside a Tokio runtime: everything the engine starts runs there.
    ///
    /// # Errors
    /// `Config` for an invalid configuration, `Host` when a directory of our own can't be made.
    pub async fn open(config_json: &str) -> Result<Engine, EngineError> {
        let config = Config::parse(config_json)?;
        let house =
            House::build(config).map_err(|error| EngineError::Host { step: "open", message: error.to_string() })?;
        house.probe(Depth::Posture).await;
        house.pool.keep_filled();
        Ok(Engine { house: Arc::new(house), jobs: Arc::default(), runtime: Handle::current() })
    }

    /// Begins a job. `job` is the document's bytes, all of its content inline; `context_json` is
    /// `{"uid","epoch","tenant","id","queuedUs","worker","tenureUntilMs"}`, the last one where somebody else may come to run the job. Whatever is wrong with the document is in the result.
    ///
    /// # Errors
    /// `Closed` after `close`; `Context` for an invalid context.
    pub fn run(&self, job: Vec<u8>, context_json: &str) -> Result<Execution, EngineError> {
        let context = parse_context(context_json)?;
        let control = Arc::new(Control::new(context.tenure_until_ms));
        let entry = Jobs::enter(&self.jobs, control.clone()).ok_or(EngineError::Closed)?;
        let (publish, result) = watch::channel(None);
        let job = self.runtime.spawn(run::run(self.house.clone(), job, context.clone(), control.clone()));
        self.runtime.spawn(async move {
            let document = job.await.unwrap_or_else(|_| panicked(&context));
            publish.send_replace(Some(Arc::new(document)));
            drop(entry);
        });
        Ok(Execution { control, result })
    }

    /// Tries every layer and every runtime by use. The answer is a JSON document
    /// `{layers: [{layer, held, tried, value, triedBy, message, remedy}], runtimes: [{name, ok, message}]}`.
    ///
    /// # Errors
    /// `Closed` after `close`.
    pub async fn probe(&self) -> Result<String, EngineError> {
        if self.jobs.lock().closed {
            return Err(EngineError::Closed);
        }
        let layers: Vec<ProbedLayer> = self.house.probe(Depth::Use).await.values().flatten().cloned().collect();
        let mut runtimes = Vec::new();
        let all_hold = layers.iter().all(|layer| layer.held);
        for name in self.house.catalogue.runtimes.keys() {
            runtimes.push(match all_hold {
                true => self.try_runtime(name).await?,
                false => json!({ "name": name, "ok": false, "message": "not tried: not every layer holds" }),
            });
        }
        Ok(json!({ "layers": layers, "runtimes": runtimes }).to_string())
    }

    /// What would become of a job here, and what would enforce each of its rules: a JSON document, `explanation.schema.json`.
    /// Nothing of the job is run; where it has host paths, a sandbox is made with them and thrown away.
    ///
    /// # Errors
    /// `Closed` after `close`.
    pub async fn explain(&self, job: Vec<u8>) -> Result<String, EngineError> {
        if self.jobs.lock().closed {
            return Err(EngineError::Closed);
        }
        Ok(explain::explain(&self.house, &job).await.to_string())
    }

    /// What the operator allows and adds: `{ceilings, defaults, policies, hostRoots}`, every policy with all of its fields. Of host
    /// paths it says how many, never which: it is for a queue, which others read.
    pub fn terms(&self) -> String {
        explain::terms(&self.house).to_string()
    }

    /// Counters of pools, slots and executions, as a JSON document.
    pub fn stats(&self) -> String {
        let mut stats = self.house.pool.stats();
        stats["running"] = json!(self.jobs.lock().controls.len());
        stats["started"] = json!(self.jobs.lock().started);
        stats.to_string()
    }

    /// Ends when this process can run no job any more: what makes sandboxes died, and its privileges to start it again are given up.
    /// Also after `close`.
    pub async fn lost(&self) {
        self.house.pool.lost().await;
    }

    /// Kills what runs (`worker-lost{drain}`), waits until everything is gone, ends the forkserver.
    pub async fn close(&self) {
        self.jobs.end_all().await;
        self.house.close().await;
    }

    /// Runs a runtime's interpreter in a sandbox of its own, as a job would.
    async fn try_runtime(&self, name: &str) -> Result<Value, EngineError> {
        let interpreter = &self.house.catalogue.runtimes[name].interpreter;
        let job = json!({ "kind": "job", "version": 1, "runtime": name, "command": [interpreter, "--version"] });
        let context =
            json!({ "uid": null, "epoch": 0, "tenant": null, "id": null, "worker": self.house.config.instance });
        let mut result = Value::Null;
        for _ in 0..TRIES {
            let document = self.run(job.to_string().into_bytes(), &context.to_string())?.wait().await;
            result = serde_json::from_slice(&document).unwrap_or_default();
            if result["outcome"]["kind"] != "failed" {
                break;
            }
        }
        let outcome = &result["outcome"];
        let ok = outcome["kind"] == "exited" && outcome.get("exec").is_none();
        let said = ["stdout", "stderr"]
            .iter()
            .find_map(|stream| result[stream]["text"].as_str().and_then(|text| text.lines().next()));
        let message = if ok { said.unwrap_or("").to_owned() } else { format!("{interpreter} does not run: {outcome}") };
        Ok(json!({ "name": name, "ok": ok, "message": message }))
    }
}

impl Execution {
    /// Waits for the end; the result document. May be called again, and gives the same document.
    pub async fn wait(&self) -> Document {
        let mut result = self.result.clone();
        let document = result.wait_for(Option::is_some).await.ok().and_then(|document| document.clone());
        document.expect("published before its sender is dropped")
    }

    /// Ends the job: `cancelled`, `drain` or `lock-lost`. The first reason wins; after the end it does nothing.
    ///
    /// # Errors
    /// `KillReason` for any other reason.
    pub fn kill(&self, reason: &str) -> Result<(), EngineError> {
        let reason = KillReason::from_name(reason).ok_or_else(|| EngineError::KillReason(reason.to_owned()))?;
        self.control.kill(reason);
        Ok(())
    }

    /// Lets a job that was given a tenure go on until then: milliseconds of `CLOCK_BOOTTIME` ([`crate::boottime_ms`]). Never
    /// shortens one; one that is over stays so.
    pub fn extend(&self, until_ms: u64) {
        self.control.extend(until_ms);
    }

    /// Next chunk of live output, `{"phase","stream","offset","base64"}`, or `None` when there is none now. Bounded: old
    /// chunks are dropped, which shows as a gap between offsets.
    pub fn read(&self) -> Option<String> {
        self.control.live.pop()
    }
}

/// The jobs under way.
#[derive(Default)]
struct Jobs {
    running: Mutex<Running>,
    changed: tokio::sync::Notify,
}

#[derive(Default)]
struct Running {
    controls: HashMap<u64, Arc<Control>>,
    started: u64,
    closed: bool,
}

/// A job's place among those under way; given up when dropped.
struct Entry {
    jobs: Arc<Jobs>,
    number: u64,
}

impl Jobs {
    fn enter(jobs: &Arc<Jobs>, control: Arc<Control>) -> Option<Entry> {
        let mut running = jobs.lock();
        if running.closed {
            return None;
        }
        running.started += 1;
        let number = running.started;
        running.controls.insert(number, control);
        Some(Entry { jobs: jobs.clone(), number })
    }

    async fn end_all(&self) {
        {
            let mut running = self.lock();
            running.closed = true;
            running.controls.values().for_each(|control| control.kill(KillReason::Drain));
        }
        let empty = async {
            loop {
                let changed = self.changed.notified();
                if self.lock().controls.is_empty() {
                    return;
                }
                changed.await;
            }
        };
        // A job that doesn't end dies with the forkserver.
        let _ = tokio::time::timeout(PARTING, empty).await;
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.jobs.lock().controls.remove(&self.number);
        self.jobs.changed.notify_waiters();
    }
}

fn parse_context(json: &str) -> Result<Context, EngineError> {
    let wrong = |issue: Issue| EngineError::Context(issue.message);
    let value = door::read_value(json.as_bytes(), CONTEXT_MAX_BYTES).map_err(wrong)?;
    serde_json::from_value(value).map_err(|error| EngineError::Context(error.to_string()))
}

/// Even a defect of ours gives a job its one result.
fn panicked(context: &Context) -> Vec<u8> {
    let failure = Failure::new(Step::Panic, "panic", "a defect of ours ended the job");
    Report::new(context).finish(outcome::failed(&failure))
}

impl From<Issue> for EngineError {
    fn from(issue: Issue) -> EngineError {
        EngineError::Config { path: issue.path, message: issue.message }
    }
}
