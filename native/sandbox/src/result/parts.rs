//! The parts of a result document: contents, artifacts, usage, and what held.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forkserver::wire::{Evidence, Layer};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::outcome::Outcome;
use crate::output::Kept;
use crate::policy::hex;

/// Both streams of one step.
#[derive(Debug, Clone, Serialize)]
pub struct Streams {
    pub stdout: Content,
    pub stderr: Content,
}

/// A build that succeeded.
#[derive(Debug, Clone, Serialize)]
pub struct BuildStep {
    pub outcome: Outcome,
    #[serde(flatten)]
    pub streams: Streams,
    pub usage: Usage,
}

/// One stream: what was kept of it, and how much there was.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    #[serde(flatten)]
    pub form: Form,
    pub bytes: u64,
    pub total_bytes: u64,
    pub truncated: bool,
    pub sha256: String,
}

/// Text when it is valid UTF-8 and its form in JSON is small or no longer than base64, else base64: a control character
/// takes six bytes in JSON.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Text(String),
    Base64(String),
}

/// A file that matched: its content, or why it has none.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Artifact {
    Collected {
        path: String,
        #[serde(flatten)]
        form: Form,
        bytes: u64,
        sha256: String,
    },
    Rejected {
        path: String,
        rejected: &'static str,
    },
}

/// What a step used; the units are in the names.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub wall_time_us: u64,
    pub cpu_time_us: u64,
    pub cpu_wait_us: u64,
    pub memory_peak_bytes: Option<u64>,
    pub processes_peak: Option<u64>,
}

/// What held, and under which policy.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    pub backend: String,
    pub warm: &'static str,
    pub layers: Vec<Layer>,
    pub policy_name: Option<String>,
    pub policy_sha256: String,
}

/// Up to this many bytes in JSON a text is a text, whatever base64 would take: people read it.
const ALWAYS_TEXT: usize = 64 * 1024;

impl Form {
    pub fn of(bytes: Vec<u8>) -> Form {
        let most = ALWAYS_TEXT.max(bytes.len().div_ceil(3) * 4);
        match String::from_utf8(bytes) {
            Ok(text) if escaped(&text) <= most => Form::Text(text),
            Ok(text) => Form::Base64(STANDARD.encode(text)),
            Err(error) => Form::Base64(STANDARD.encode(error.as_bytes())),
        }
    }
}

/// Bytes of a text in JSON, without its quotation marks.
fn escaped(text: &str) -> usize {
    let length = |byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

impl Streams {
    pub fn of(stdout: Kept, stderr: Kept) -> Streams {
        Streams { stdout: Content::of(stdout), stderr: Content::of(stderr) }
    }
}

impl Content {
    pub fn of(kept: Kept) -> Content {
        let bytes = kept.bytes.len() as u64;
        let sha256 = hex(&Sha256::digest(&kept.bytes));
        let truncated = kept.total > bytes;
        Content { form: Form::of(kept.bytes), bytes, total_bytes: kept.total, truncated, sha256 }
    }
}

impl Artifact {
    pub fn of(artifact: files::Artifact) -> Artifact {
        let path = artifact.path;
        match artifact.content {
            Ok(content) => {
                let (bytes, sha256) = (content.len() as u64, hex(&Sha256::digest(&content)));
                Artifact::Collected { path, form: Form::of(content), bytes, sha256 }
            }
            Err(reason) => Artifact::Rejected { path, rejected: reason.name() },
        }
    }
}

impl Usage {
    /// What a step used; nothing, if its program never began.
    pub fn of(evidence: Option<&Evidence>) -> Usage {
        let nothing = Usage { memory_peak_bytes: Some(0), processes_peak: Some(0), ..Usage::default() };
        evidence.map_or(nothing, |evidence| Usage {
            wall_time_us: evidence.wall_time_us,
            cpu_time_us: evidence.cpu_time_us,
            cpu_wait_us: evidence.cpu_wait_us,
            memory_peak_bytes: evidence.memory_peak_bytes,
            processes_peak: evidence.processes_peak,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_text(bytes: Vec<u8>) -> bool {
        matches!(Form::of(bytes), Form::Text(_))
    }

    #[test]
    fn a_text_that_would_swell_in_json_is_base64() {
        let mega = 1 << 20;
        assert!(is_text(vec![b'x'; mega]));
        assert!(is_text("a line of some length\n".repeat(mega / 20).into_bytes()));
        assert!(!is_text(vec![1; mega]));
        assert!(!is_text(vec![b'\n'; mega]));
        assert!(!is_text(vec![0xff; 1]));
    }

    #[test]
    fn a_small_text_stays_a_text() {
        assert!(is_text(vec![1; ALWAYS_TEXT / 6]));
        assert!(!is_text(vec![1; ALWAYS_TEXT / 6 + 1]));
        assert!(is_text(vec![b'"'; ALWAYS_TEXT / 2]));
    }

    #[test]
    fn the_length_in_json_is_what_the_document_has() {
        let text: String = (0..0x250).filter_map(char::from_u32).collect();
        assert_eq!(escaped(&text), serde_json::to_string(&text).expect("JSON").len() - 2);
    }
}
