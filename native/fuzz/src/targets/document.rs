//! The door: a job document is accepted or refused, the same way each time, and never otherwise.

use sandbox::door::{self, Document, parse_job, read_value};

/// Well above every document of the corpus.
const MAX_BYTES: usize = 1 << 16;

pub fn run(bytes: &[u8]) {
    let value = read_value(bytes, MAX_BYTES);
    match parse_job(bytes, MAX_BYTES) {
        Ok(job) => {
            let value = value.expect("what was accepted is JSON");
            assert_eq!(door::check(Document::Job, &value), [], "the schema allows what was accepted");
            assert_eq!(format!("{job:?}"), format!("{:?}", parse_job(bytes, MAX_BYTES).expect("accepted twice")));
        }
        Err(issues) => {
            let first = issues.first().expect("a refusal has a reason");
            assert_ne!(first.rule, "structure", "the schema says it before serde does: {first:?}");
            let said = door::issues_to_json(&issues);
            assert!(
                said.len() < 16 * (bytes.len() + 4096) + issues.len() * 1024,
                "a refusal that grows: {} bytes",
                said.len()
            );
        }
    }
    if let Err(issue) = read_value(bytes, MAX_BYTES) {
        // The scan is at least as strict as the parser behind it.
        assert_ne!((&*issue.rule, &*issue.message), ("json", "must be exactly one JSON value"));
    }
}
