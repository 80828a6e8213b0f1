//! What is wrong with a document, and where.

const PATH_MAX_CHARACTERS: usize = 256;
const MESSAGE_MAX_CHARACTERS: usize = 1000;

/// One rule that a document breaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Issue {
    /// Where, dotted: `policy.limits.memoryBytes`, `files[0].path`; empty for the whole document.
    pub path: String,
    /// Which rule: a JSON Schema keyword, or a rule of the door's own.
    pub rule: String,
    /// For a person; no host path, environment or stack in it.
    pub message: String,
}

impl Issue {
    /// An issue of one field. `allowed` says what is allowed and completes a sentence that begins with the field's name.
    pub fn at(path: impl AsRef<str>, rule: &str, allowed: impl AsRef<str>) -> Issue {
        let path = cut(path.as_ref(), PATH_MAX_CHARACTERS);
        let subject = if path.is_empty() { "the document" } else { path.as_str() };
        let message = cut(&format!("{subject} {}", allowed.as_ref()), MESSAGE_MAX_CHARACTERS - 1);
        Issue { path, rule: rule.to_owned(), message }
    }

    /// An issue of the document as a whole.
    pub fn whole(rule: &str, allowed: impl AsRef<str>) -> Issue {
        Issue::at("", rule, allowed)
    }
}

/// The first `most` characters of a text, then … if there were more.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The path of a field of what lies at `path`.
pub fn field_of(path: &str, name: &str) -> String {
    let mut whole = path.to_owned();
    push_key(&mut whole, name);
    whole
}

/// Appends a property's name to a path.
pub fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}

/// Appends an array index to a path.
pub fn push_index(path: &mut String, index: usize) {
    path.push_str(&format!("[{index}]"));
}
