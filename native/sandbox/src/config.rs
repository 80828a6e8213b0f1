//! A worker's configuration, as far as the engine reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use forkserver::wire::Substitute;
use serde::Deserialize;
use serde_json::Value;

use crate::door::document::{Loopback, PolicyDocument, Syscalls};
use crate::door::{self, Document, Issue};
use crate::runtime::{RootFilesystem, Runtime};

/// What the engine needs to know, parsed and complete.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this worker instance, `[a-z0-9-]{1,64}`; part of cgroup paths and of every result.
    pub instance: String,
    /// The forkserver program.
    pub forkserver_path: PathBuf,
    /// Block of host uids leased by this instance.
    pub uids: UidRange,
    pub worker: WorkerConfig,
}

/// The worker configuration document. Fields that only the worker reads stand here so that the document stays closed.
#[derive(Debug, Clone, Deserialize)]
#[expect(dead_code, reason = "the worker's own fields")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfig {
    pub version: u32,
    pub redis: Option<String>,
    pub redis_password_file: Option<String>,
    pub redis_tls: Option<Value>,
    pub redis_may_evict: Option<bool>,
    pub signing_key_file: Option<String>,
    pub queue: Option<String>,
    #[serde(default = "default_slots")]
    pub slots: u32,
    pub drain_ms: Option<u64>,
    pub lock_ms: Option<u64>,
    pub stalled_ms: Option<u64>,
    pub result_ttl_ms: Option<u64>,
    pub tombstone_ttl_ms: Option<u64>,
    #[serde(default = "default_backends")]
    pub backends: Vec<String>,
    #[serde(default)]
    pub runtimes: BTreeMap<String, Runtime>,
    #[serde(default)]
    pub root_filesystems: BTreeMap<String, RootFilesystem>,
    #[serde(default)]
    pub policies: BTreeMap<String, PolicyDocument>,
    #[serde(default)]
    pub defaults: PolicyDocument,
    #[serde(default)]
    pub ceilings: Ceilings,
    /// Host directories below which policies may grant paths. Empty: nowhere.
    #[serde(default)]
    pub roots: Vec<RootConfig>,
    /// `None`: every built-in root file system has a few sandboxes ready. Empty: nothing is prepared ahead.
    pub pools: Option<BTreeMap<String, PoolConfig>>,
    /// Weights and caps: what the worker tells the queue.
    pub tenants: Option<Value>,
    pub uids: Option<UidRange>,
    pub user: Option<WorkerUser>,
    /// Accepted in place of layers that this host lacks.
    #[serde(default)]
    pub substitutes: Vec<Substitute>,
    #[serde(default = "default_run_dir")]
    pub run_dir: PathBuf,
    pub http: Option<HttpConfig>,
    pub log_level: Option<String>,
}

fn default_slots() -> u32 {
    4
}

fn default_backends() -> Vec<String> {
    vec!["process".to_owned()]
}

fn default_run_dir() -> PathBuf {
    PathBuf::from("/run/bullpen")
}

/// The operator's maxima; `None` is the built-in one (`policy::defaults`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ceilings {
    #[serde(default)]
    pub limits: CeilingLimits,
    pub syscalls: Option<Vec<Syscalls>>,
    pub loopback: Option<Vec<Loopback>>,
    pub attempts: Option<u32>,
}

/// Most of each limit that a policy may ask for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CeilingLimits {
    pub wall_time_ms: Option<u64>,
    pub cpu_time_ms: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub processes: Option<u64>,
    pub cpu_millis: Option<u64>,
    pub output_bytes: Option<u64>,
    pub disk_bytes: Option<u64>,
    pub inodes: Option<u64>,
    pub open_files: Option<u64>,
    pub artifacts: Option<u64>,
    pub artifact_bytes: Option<u64>,
}

/// A host directory below which policies may grant paths.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootConfig {
    pub path: String,
    /// Most that may be granted.
    pub access: RootAccess,
}

/// What may be granted below a host directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootAccess {
    Readonly,
    Readwrite,
}

/// Sandboxes kept ready for one runtime.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PoolConfig {
    pub warm: Warmth,
    /// How many are kept ready, 0 to 64.
    #[serde(default = "default_ready")]
    pub ready: u32,
    /// How old one may get, milliseconds.
    #[serde(default = "default_ttl")]
    pub ttl_ms: u64,
}

fn default_ready() -> u32 {
    2
}

fn default_ttl() -> u64 {
    600_000
}

/// How far sandboxes are prepared before a job is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Warmth {
    None,
    Prepared,
}

/// Whom the worker becomes when its sandboxes can be made; the worker's own affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerUser {
    pub uid: u32,
    pub gid: u32,
}

/// Where the worker answers about itself; the worker's own affair.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpConfig {
    pub host: Option<String>,
    pub port: Option<u16>,
    pub socket: Option<String>,
}

/// Consecutive host uids that nothing else uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UidRange {
    pub first: u32,
    pub count: u32,
}

impl Config {
    /// Reads the engine's configuration: a worker configuration document plus `instance` and `forkserverPath`, its
    /// `uids` being the block leased by this instance.
    pub fn parse(json: &str) -> Result<Config, Issue> {
        let mut value: Value = door::read_value(json.as_bytes(), door::JOB_MAX_BYTES)?;
        let instance = take_string(&mut value, "instance")?;
        let forkserver_path = take_string(&mut value, "forkserverPath")?.into();
        if !is_instance(&instance) {
            return Err(Issue::at("instance", "pattern", "1 to 64 of a-z 0-9 -"));
        }
        door::first(door::check(Document::WorkerConfig, &value))?;
        let worker: WorkerConfig =
            serde_json::from_value(value).map_err(|error| Issue::whole("structure", error.to_string()))?;
        let uids =
            worker.uids.ok_or_else(|| Issue::at("uids", "required", "the block of uids leased by this instance"))?;
        let config = Config { instance, forkserver_path, uids, worker };
        config.check_references()?;
        Ok(config)
    }

    fn check_references(&self) -> Result<(), Issue> {
        let runtimes = crate::runtime::Catalogue::of(&self.worker);
        for (name, runtime) in &runtimes.runtimes {
            if !runtimes.roots.contains_key(&runtime.root) {
                let path = format!("runtimes.{name}.root");
                return Err(Issue::at(path, "reference", "there is no root file system of this name"));
            }
        }
        for name in self.worker.pools.iter().flat_map(BTreeMap::keys) {
            if !runtimes.runtimes.contains_key(name) {
                return Err(Issue::at(format!("pools.{name}"), "reference", "there is no runtime of this name"));
            }
        }
        crate::policy::substitutes::check(&self.worker.substitutes)?;
        check_rules(&self.worker)
    }
}

/// Whom the worker becomes must be no sandbox's user.
fn check_user(config: &WorkerConfig) -> Result<(), Issue> {
    let UidRange { first, count } = config.uids.unwrap_or(DEFAULT_UIDS);
    let ids = config.user.map(|user| [("user.uid", user.uid), ("user.gid", user.gid)]);
    let slot = ids.into_iter().flatten().find(|(_, id)| id.checked_sub(first).is_some_and(|slot| slot < count));
    slot.map_or(Ok(()), |(path, _)| Err(Issue::at(path, "user", "must not be among the uids of sandboxes")))
}

/// The listener is in one place.
fn check_http(config: &WorkerConfig) -> Result<(), Issue> {
    let twice = |http: &HttpConfig| http.socket.is_some() && (http.host.is_some() || http.port.is_some());
    match config.http.as_ref().is_some_and(twice) {
        true => Err(Issue::at("http.socket", "exactly-one-of", "must not stand beside host or port")),
        false => Ok(()),
    }
}

/// Where the configuration says nothing about uids.
const DEFAULT_UIDS: UidRange = UidRange { first: 200_000, count: 65_536 };

/// What the schema can't say about a configuration.
pub fn check_rules(config: &WorkerConfig) -> Result<(), Issue> {
    door::first(door::host_path_rules::roots(config.roots.iter().map(|root| &*root.path)))?;
    check_user(config)?;
    check_http(config)?;
    door::first(door::policy_rules::check("defaults", &config.defaults))?;
    config
        .policies
        .iter()
        .try_for_each(|(name, policy)| door::first(door::policy_rules::check(&format!("policies.{name}"), policy)))
}

fn take_string(value: &mut Value, name: &str) -> Result<String, Issue> {
    match value.as_object_mut().and_then(|fields| fields.remove(name)) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Issue::at(name, "required", "a string is required")),
    }
}

fn is_instance(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
