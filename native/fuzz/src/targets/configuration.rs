//! An engine's configuration, and the other documents of an operator and of the queue.

use sandbox::door::{Document, check, read_value};
use sandbox::parsers::check_configuration;

const MAX_BYTES: usize = 1 << 16;

pub fn run(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Err(issue) = check_configuration(text)
    {
        assert_ne!(issue.rule, "structure", "the schema says it before serde does: {issue:?}");
    }
    if let Ok(value) = read_value(bytes, MAX_BYTES) {
        for kind in [Document::Policy, Document::Result, Document::Audit] {
            assert_eq!(check(kind, &value), check(kind, &value));
        }
    }
}
