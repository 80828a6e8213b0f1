//! From what a job asks for to what is enforced: defaults filled in, ceilings checked, nothing optional left.

mod ceilings;
pub mod defaults;
pub mod host_paths;
pub mod layers;
mod limits;
pub mod substitutes;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::WorkerConfig;
use crate::door::Issue;
use crate::door::document::{Containment, JobDocument, JobPolicy, Loopback, Overflow, PolicyDocument, Syscalls};

pub use host_paths::{HostPath, PathLists};
pub use limits::{LimitSet, NAMES as LIMIT_NAMES};

/// A policy with every field decided. What the door refuses (traffic rules that allow) has no field here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The operator's name for it; `None` for an inline policy or none.
    #[serde(skip)]
    pub name: Option<String>,
    /// Backends in order of preference.
    pub containment: Vec<String>,
    /// Host paths, as they are listed.
    pub filesystem: PathLists,
    /// The same, as they are looked up: none where nothing is granted.
    #[serde(skip)]
    pub host_paths: Vec<HostPath>,
    pub loopback: Loopback,
    pub limits: LimitSet,
    pub output_overflow: Overflow,
    pub syscalls: Syscalls,
    /// Layers that must hold.
    pub require: Vec<String>,
}

/// Most that a job may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    pub limits: LimitSet,
    pub syscalls: Vec<Syscalls>,
    pub loopback: Vec<Loopback>,
    pub attempts: u32,
}

/// Decides a job's policy: its own or the named one, over the operator's defaults, over the built-in ones; then checks
/// it against the operator's ceilings. Every issue names the field of the job document.
pub fn judge(job: &JobDocument, config: &WorkerConfig) -> (Policy, Vec<Issue>) {
    let (mut policy, mut issues) = (defaults::policy(), Vec::new());
    policy.lay_over(&config.defaults);
    match (own_document(job, config), &job.policy) {
        (Some(document), given) => {
            policy.lay_over(document);
            policy.name = match given {
                Some(JobPolicy::Named(name)) => Some(name.clone()),
                _ => None,
            };
        }
        (None, Some(_)) => issues.push(Issue::at(
            "policy.name",
            "unknown-policy",
            "the operator of this worker defines no policy of this name",
        )),
        (None, None) => {}
    }
    issues.extend(ceilings::check(&policy, job.attempts, &ceiling(config)));
    let (paths, refused) = host_paths::find(&policy.filesystem, config);
    policy.host_paths = paths;
    issues.extend(refused);
    (policy, issues)
}

/// The policy that a job brings or names; `None` if it has none, or names one that isn't there.
pub fn own_document<'a>(job: &'a JobDocument, config: &'a WorkerConfig) -> Option<&'a PolicyDocument> {
    match job.policy.as_ref()? {
        JobPolicy::Inline(inline) => Some(inline),
        JobPolicy::Named(name) => config.policies.get(name),
    }
}

/// As [`judge`], for whoever needs no more than the first issue.
#[cfg(test)]
pub fn resolve(job: &JobDocument, config: &WorkerConfig) -> Result<Policy, Issue> {
    let (policy, issues) = judge(job, config);
    issues.into_iter().next().map_or(Ok(policy), Err)
}

/// The operator's ceilings over the built-in ones.
pub fn ceiling(config: &WorkerConfig) -> Ceiling {
    ceilings::of(&config.ceilings)
}

impl Policy {
    /// SHA-256 of the policy as it is enforced, in hexadecimal.
    pub fn sha256(&self) -> String {
        let text = serde_json::to_vec(self).expect("a policy is plain data");
        hex(&Sha256::digest(text))
    }

    /// What a document gives takes the place of what was there.
    pub fn lay_over(&mut self, document: &PolicyDocument) {
        match &document.containment {
            Some(Containment::One(backend)) => self.containment = vec![backend.clone()],
            Some(Containment::Several(backends)) => self.containment.clone_from(backends),
            None => {}
        }
        set(&mut self.filesystem.readonly, document.filesystem.readonly_paths.clone());
        set(&mut self.filesystem.readwrite, document.filesystem.readwrite_paths.clone());
        set(&mut self.filesystem.denied, document.filesystem.denied_paths.clone());
        set(&mut self.loopback, document.network.loopback);
        set(&mut self.syscalls, document.syscalls);
        set(&mut self.require, document.require.clone());
        set(&mut self.output_overflow, document.limits.output_overflow);
        self.limits.lay_over(document.limits.numbers());
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
