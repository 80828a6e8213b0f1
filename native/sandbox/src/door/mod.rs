//! The door: a document is parsed once, here, and what comes out has no doubt left.
//!
//! Bytes → text that two parsers read alike ([`text`]) → the embedded JSON Schema ([`schema`]) → the rules that a schema
//! can't say ([`rules`]) → plain structs ([`document`]). The producer's door in TypeScript gives every document the same
//! verdict, path and rule.

pub mod document;
pub mod host_path_rules;
pub mod issue;
pub(crate) mod path_rules;
pub mod policy_rules;
mod rules;
mod schema;
mod text;

use leave_out::Part;
use serde_json::Value;

pub use issue::Issue;
pub use path_rules::collide;
pub use rules::INPUT_MAX_BYTES;
pub use schema::{Document, check};

use document::JobDocument;

/// Largest job document that comes over a queue. Bytes.
pub const JOB_MAX_BYTES: usize = 2 << 20;
/// Largest job document with all of its content inline. Bytes.
pub const RUN_MAX_BYTES: usize = 24 << 20;

/// Parses a job document of at most `max_bytes`. There is at least one issue in the error, the first one found first.
pub fn parse_job(bytes: &[u8], max_bytes: usize) -> Result<JobDocument, Vec<Issue>> {
    assert!(!leave_out::is(Part::DefectInCall), "a planted defect");
    let value = read_value(bytes, max_bytes).map_err(|issue| vec![issue])?;
    none(check(Document::Job, &value))?;
    let job: JobDocument = serde_json::from_value(value)
        .map_err(|error| vec![Issue::whole("structure", format!("must be a job: {error}"))])?;
    none(rules::check(&job))?;
    Ok(job)
}

/// Reads strict JSON text of at most `max_bytes`.
pub fn read_value(bytes: &[u8], max_bytes: usize) -> Result<Value, Issue> {
    let text = text::decode(bytes, max_bytes)?;
    text::scan(text)?;
    serde_json::from_str(text).map_err(|_| Issue::whole("json", "must be exactly one JSON value"))
}

/// A refusal as a JSON document: `{"ok": false, "issues": [{path, rule, message}]}`.
pub fn issues_to_json(issues: &[Issue]) -> String {
    serde_json::json!({ "ok": false, "issues": issues }).to_string()
}

/// The first of the issues as an error.
pub fn first(issues: Vec<Issue>) -> Result<(), Issue> {
    issues.into_iter().next().map_or(Ok(()), Err)
}

fn none(issues: Vec<Issue>) -> Result<(), Vec<Issue>> {
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}

#[cfg(test)]
mod tests;
