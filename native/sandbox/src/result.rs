//! The result document: exactly one per job, closed, all content inline.

mod parts;

use std::io::{self, Write};

use forkserver::wire::{Evidence, Layer};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::door::document::{JobDocument, Syscalls};
use crate::failure::{Failure, Step};
use crate::outcome::{self, Attribution, Outcome};
use crate::output::Kept;
use crate::policy::Policy;

pub use self::parts::Artifact;
use self::parts::{BuildStep, Form, Held, Streams, Usage};

/// Largest result document. Every job within the built-in ceilings stays below; JavaScript strings end at twice as much.
const MAX_BYTES: usize = 256 << 20;

/// Who runs the job, and as what: what the queue knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Context {
    /// The system's name for the job.
    pub uid: Option<String>,
    /// Which begun attempt this is, from 1.
    pub epoch: u32,
    pub tenant: Option<String>,
    /// The caller's name for the job.
    pub id: Option<String>,
    /// From acceptance to begin, microseconds.
    #[serde(default)]
    pub queued_us: u64,
    /// The worker instance's name.
    pub worker: String,
    /// Until when it may go on without another word, in milliseconds of `CLOCK_BOOTTIME`; without it, for as long as its limits allow.
    #[serde(default)]
    pub tenure_until_ms: Option<u64>,
}

/// A result that is being put together while its job runs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    kind: &'static str,
    version: u32,
    id: Option<String>,
    tenant: Option<String>,
    uid: Option<String>,
    epoch: u32,
    outcome: Option<Outcome>,
    attribution: Option<Attribution>,
    reward_safe: bool,
    #[serde(flatten)]
    streams: Option<Streams>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<BuildStep>,
    artifacts: Vec<Artifact>,
    artifacts_truncated: bool,
    limits_hit: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Timing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<Held>,
    worker: String,
    started_at: Option<String>,
    finished_at: String,
    #[serde(skip)]
    context: Context,
    #[serde(skip)]
    evidence: Option<Evidence>,
}

/// Where the time of a job went, microseconds.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    queued_us: u64,
    pub acquire_us: u64,
    pub setup_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_us: Option<u64>,
    pub run_us: u64,
    pub collect_us: u64,
}

/// One step that is over.
#[derive(Debug, Clone)]
pub struct StepDone {
    pub outcome: Outcome,
    pub stdout: Kept,
    pub stderr: Kept,
    /// `None` when the program could not be executed.
    pub evidence: Option<Evidence>,
    pub limits_hit: Vec<&'static str>,
}

impl Report {
    /// A result of which nothing is known yet but who makes it.
    pub fn new(context: &Context) -> Report {
        Report {
            kind: "result",
            version: 1,
            id: None,
            tenant: None,
            uid: None,
            epoch: 0,
            outcome: None,
            attribution: None,
            reward_safe: false,
            streams: None,
            build: None,
            artifacts: Vec::new(),
            artifacts_truncated: false,
            limits_hit: Vec::new(),
            usage: None,
            timing: None,
            sandbox: None,
            worker: context.worker.clone(),
            started_at: None,
            finished_at: String::new(),
            context: context.clone(),
            evidence: None,
        }
    }

    /// The document could be read: from here on the result says whose it is.
    pub fn readable(&mut self, job: &JobDocument) {
        let context = &self.context;
        self.id = context.id.clone().or_else(|| job.id.clone());
        self.tenant = Some(context.tenant.clone().unwrap_or_else(|| job.tenant.clone()));
        self.uid.clone_from(&context.uid);
        self.epoch = context.epoch;
        self.started_at = Some(clock::now());
        self.timing = Some(Timing { queued_us: context.queued_us, ..Timing::default() });
    }

    /// Where the time goes; only of a document that could be read.
    pub fn timing(&mut self) -> &mut Timing {
        self.timing.get_or_insert_default()
    }

    /// What holds: the sandbox's layers under the job's policy.
    pub fn held(&mut self, backend: &str, warm: &'static str, layers: &[Layer], policy: &Policy) {
        let profile = match policy.syscalls {
            Syscalls::Strict => "strict",
            Syscalls::Compatible => "compatible",
        };
        let named = |layer: &Layer| match layer.layer.as_str() {
            "seccomp" => Layer { layer: layer.layer.clone(), value: Some(profile.to_owned()) },
            _ => layer.clone(),
        };
        self.sandbox = Some(Held {
            backend: backend.to_owned(),
            warm,
            layers: layers.iter().map(named).collect(),
            policy_name: policy.name.clone(),
            policy_sha256: policy.sha256(),
        });
    }

    /// A build that succeeded, with the run to follow.
    pub fn built(&mut self, step: StepDone) {
        self.hit(&step.limits_hit);
        let usage = Usage::of(step.evidence.as_ref());
        self.build = Some(BuildStep { outcome: step.outcome, streams: Streams::of(step.stdout, step.stderr), usage });
    }

    /// The step that ended the job.
    pub fn ended(&mut self, step: StepDone) -> Outcome {
        self.hit(&step.limits_hit);
        self.streams = Some(Streams::of(step.stdout, step.stderr));
        self.usage = Some(Usage::of(step.evidence.as_ref()));
        self.evidence = step.evidence;
        step.outcome
    }

    /// What was collected.
    pub fn collected(&mut self, artifacts: Vec<Artifact>, truncated: bool) {
        (self.artifacts, self.artifacts_truncated) = (artifacts, truncated);
    }

    /// About how many bytes the document will have.
    pub fn weight(&self) -> usize {
        let form = |form: &Form| match form {
            Form::Text(text) | Form::Base64(text) => text.len(),
        };
        let streams = |streams: &Streams| form(&streams.stdout.form) + form(&streams.stderr.form);
        let artifact = |artifact: &Artifact| match artifact {
            Artifact::Collected { path, form: content, .. } => path.len() + form(content),
            Artifact::Rejected { path, .. } => path.len(),
        };
        let steps = self.streams.iter().chain(self.build.iter().map(|build| &build.streams)).map(streams);
        steps.chain(self.artifacts.iter().map(artifact)).sum()
    }

    /// The whole document, with how it ended. One that is too large says so, and nothing of what was in it.
    pub fn finish(self, outcome: Outcome) -> Vec<u8> {
        self.finish_within(MAX_BYTES, outcome)
    }

    fn finish_within(mut self, most: usize, outcome: Outcome) -> Vec<u8> {
        self.finished_at = clock::now();
        self.conclude(outcome);
        self.document(most).unwrap_or_else(|| {
            self.empty();
            self.document(usize::MAX).expect("a result is plain data")
        })
    }

    fn conclude(&mut self, outcome: Outcome) {
        self.attribution = Some(outcome.attribution());
        self.reward_safe = outcome.is_reward_safe(self.evidence.as_ref());
        self.outcome = Some(outcome);
    }

    fn empty(&mut self) {
        (self.streams, self.build, self.artifacts) = (None, None, Vec::new());
        let message = "the output and artifacts make a result larger than this worker hands on; lower outputBytes or artifactBytes";
        self.conclude(outcome::failed(&Failure::new(Step::Result, "too-large", message)));
    }

    /// The document, unless it is larger than `most` bytes.
    fn document(&self, most: usize) -> Option<Vec<u8>> {
        let mut document = Bounded { bytes: Vec::new(), most };
        serde_json::to_writer(&mut document, self).ok()?;
        Some(document.bytes)
    }

    fn hit(&mut self, limits: &[&'static str]) {
        for limit in limits {
            if !self.limits_hit.contains(limit) {
                self.limits_hit.push(limit);
            }
        }
    }
}

/// Bytes in memory, up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::plan::Phase;

    fn context() -> Context {
        Context {
            uid: None,
            epoch: 1,
            tenant: None,
            id: None,
            queued_us: 0,
            worker: "w".to_owned(),
            tenure_until_ms: None,
        }
    }

    fn finished(bytes: usize, most: usize) -> Value {
        let mut report = Report::new(&context());
        let kept = || Kept { bytes: vec![b'x'; bytes], total: bytes as u64 };
        let step = StepDone {
            outcome: Outcome::Exited { exit_code: 0, phase: Phase::Run, exec: None },
            stdout: kept(),
            stderr: kept(),
            evidence: None,
            limits_hit: vec!["outputBytes"],
        };
        let outcome = report.ended(step);
        serde_json::from_slice(&report.finish_within(most, outcome)).expect("a document")
    }

    #[test]
    fn a_result_that_is_too_large_says_so_in_a_small_document() {
        let result = finished(500, 1_000);
        assert_eq!((&result["outcome"]["step"], &result["outcome"]["code"]), (&"result".into(), &"too-large".into()));
        assert_eq!((&result["attribution"], &result["rewardSafe"]), (&"system".into(), &false.into()));
        assert_eq!(result["limitsHit"][0], "outputBytes");
        assert_eq!(result.get("stdout"), None);
        assert_eq!(finished(1, 1_000)["outcome"]["kind"], "exited");
    }

    #[test]
    fn whatever_the_built_in_ceilings_allow_fits() {
        let most = crate::policy::defaults::ceiling().limits;
        // Both streams of both steps, and every artifact, in base64; or as small texts, six times their size. And paths.
        let raw = 4 * most.output_bytes + most.artifact_bytes;
        let (contents, path) = (4 + most.artifacts, 4 * 4096);
        assert!(raw.div_ceil(3) * 4 + contents * (64 * 1024 + path + 256) < MAX_BYTES as u64);
    }
}
