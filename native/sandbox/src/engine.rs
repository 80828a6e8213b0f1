//! The engine: the backends, pools and runtimes of one worker.

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

/// The backends, pools and runtimes of one worker.
pub struct Engine {}

/// One job under way.
pub struct Execution {}

impl Engine {
    /// Opens an engine. `config_json` is a worker configuration document with three fields more: `instance` (this worker's
    /// name), `forkserverPath` (the program), and `uids` being the block leased by this instance.
    /// Must be called inside a Tokio runtime: everything the engine starts runs there.
    pub async fn open(config_json: &str) -> Result<Engine, EngineError> {
        let _ = config_json;
        Err(EngineError::Closed)
    }

    /// Begins a job. `job` is the document's bytes; `context_json` is `{"uid","epoch","tenant","id","queuedUs","worker"}`.
    /// Whatever is wrong with the document is in the result, not an error here.
    pub fn run(&self, job: Vec<u8>, context_json: &str) -> Result<Execution, EngineError> {
        let _ = (job, context_json);
        Err(EngineError::Closed)
    }

    /// Tries every layer and every runtime by use. The answer is a JSON document `{layers, runtimes}`.
    pub async fn probe(&self) -> Result<String, EngineError> {
        Err(EngineError::Closed)
    }

    /// Counters of pools, slots and executions, as a JSON document.
    pub fn stats(&self) -> String {
        String::from("{}")
    }

    /// Kills what runs (`worker-lost{drain}`), waits until everything is gone, ends the forkserver.
    pub async fn close(&self) {}
}

impl Execution {
    /// Waits for the end; the result document as JSON. May be called again, and gives the same document.
    pub async fn wait(&self) -> String {
        String::new()
    }

    /// Ends the job: `cancelled`, `drain` or `lock-lost`. The first reason wins; after the end it does nothing.
    pub fn kill(&self, reason: &str) -> Result<(), EngineError> {
        Err(EngineError::KillReason(reason.to_owned()))
    }

    /// Next chunk of live output, `{"stream","step","offset","base64"}`, or `None` when there is none now. Bounded: old chunks are dropped.
    pub fn read(&self) -> Option<String> {
        None
    }
}
