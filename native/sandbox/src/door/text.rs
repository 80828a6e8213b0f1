//! The document as text: everything that must be refused before a parser is asked.
//!
//! A strict reading of JSON that stops at what two parsers may understand differently: duplicate keys, keys that are
//! dangerous in JavaScript, numbers that lose precision, lone surrogates, deep nesting. It doesn't recurse.

use std::collections::HashSet;

use super::issue::{Issue, push_index, push_key};

/// Deepest nesting of a document: a scalar is 0, `{}` is 1.
pub const MAX_DEPTH: usize = 32;
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;
const FORBIDDEN_KEYS: [&str; 3] = ["__proto__", "constructor", "prototype"];

/// Reads the bytes of a document as text.
pub fn decode(bytes: &[u8], max_bytes: usize) -> Result<&str, Issue> {
    if bytes.len() > max_bytes {
        return Err(Issue::whole("size", format!("must be at most {max_bytes} bytes long")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Issue::whole("encoding", "must be UTF-8 text"))?;
    match text.starts_with('\u{feff}') {
        true => Err(Issue::whole("encoding", "must not begin with a byte order mark")),
        false => Ok(text),
    }
}

/// Checks the text of a document.
pub fn scan(text: &str) -> Result<(), Issue> {
    Scan { text, bytes: text.as_bytes(), at: 0, open: Vec::new() }.document()
}

enum Open {
    Object { keys: HashSet<String>, key: String },
    Array { index: usize },
}

struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    open: Vec<Open>,
}

impl Scan<'_> {
    fn document(&mut self) -> Result<(), Issue> {
        loop {
            self.skip_space();
            if self.begin_value()? {
                continue;
            }
            if self.end_value()? {
                return Ok(());
            }
        }
    }

    /// Reads a scalar, or opens a container. True when a value inside the container comes next.
    fn begin_value(&mut self) -> Result<bool, Issue> {
        match self.peek() {
            Some(b'{') => self.open_object(),
            Some(b'[') => self.open_array(),
            Some(b'"') => self.string().map(|_| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(self.malformed()),
        }
    }

    /// Closes what ends after a value. True when the document has ended; false when another value comes next.
    fn end_value(&mut self) -> Result<bool, Issue> {
        loop {
            self.skip_space();
            let next = self.peek();
            match (self.open.last_mut(), next) {
                (None, None) => return Ok(true),
                (Some(Open::Object { .. }), Some(b',')) => {
                    self.at += 1;
                    self.skip_space();
                    return self.key().map(|()| false);
                }
                (Some(Open::Array { index }), Some(b',')) => {
                    *index += 1;
                    self.at += 1;
                    return Ok(false);
                }
                (Some(Open::Object { .. }), Some(b'}')) | (Some(Open::Array { .. }), Some(b']')) => self.close(),
                _ => return Err(self.malformed()),
            }
        }
    }

    fn open_object(&mut self) -> Result<bool, Issue> {
        self.push(Open::Object { keys: HashSet::new(), key: String::new() })?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.close();
            return Ok(false);
        }
        self.key().map(|()| true)
    }

    fn open_array(&mut self) -> Result<bool, Issue> {
        self.push(Open::Array { index: 0 })?;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.close();
            return Ok(false);
        }
        Ok(true)
    }

    fn push(&mut self, container: Open) -> Result<(), Issue> {
        if self.open.len() == MAX_DEPTH {
            let allowed = format!("must not nest objects and arrays deeper than {MAX_DEPTH}");
            return Err(Issue::whole("depth", allowed));
        }
        self.open.push(container);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.open.pop();
        self.at += 1;
    }

    fn key(&mut self) -> Result<(), Issue> {
        if self.peek() != Some(b'"') {
            return Err(self.malformed());
        }
        let name = self.string()?;
        let Some(Open::Object { keys, key }) = self.open.last_mut() else { return Err(self.malformed()) };
        key.clone_from(&name);
        let fresh = keys.insert(name.clone());
        if FORBIDDEN_KEYS.contains(&name.as_str()) {
            return Err(self.issue("forbidden-key", "is a key that is never allowed"));
        }
        if !fresh {
            return Err(self.issue("duplicate-key", "must not appear twice"));
        }
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.malformed());
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<String, Issue> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(0x20..) => self.at += 1,
                _ => return Err(self.malformed()),
            }
        }
        self.at += 1;
        serde_json::from_str(&self.text[start..self.at]).map_err(|_| self.malformed())
    }

    fn escape(&mut self) -> Result<(), Issue> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => self.unicode_escape()?,
            _ => return Err(self.malformed()),
        }
        Ok(())
    }

    fn unicode_escape(&mut self) -> Result<(), Issue> {
        match self.code_unit()? {
            0xdc00..=0xdfff => Err(self.lone_surrogate()),
            0xd800..=0xdbff => {
                if !self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    return Err(self.lone_surrogate());
                }
                self.at += 1;
                match self.code_unit()? {
                    0xdc00..=0xdfff => Ok(()),
                    _ => Err(self.lone_surrogate()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Reads `uXXXX`.
    fn code_unit(&mut self) -> Result<u16, Issue> {
        let digits = self.bytes.get(self.at + 1..self.at + 5).ok_or_else(|| self.malformed())?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(self.malformed());
        }
        let unit = digits.iter().fold(0u16, |n, d| n << 4 | (*d as char).to_digit(16).unwrap_or(0) as u16);
        self.at += 5;
        Ok(unit)
    }

    fn number(&mut self) -> Result<(), Issue> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.malformed()),
        }
        let literal = &self.text[start..self.at];
        let safe = literal.parse::<i64>().is_ok_and(|n| (-MAX_SAFE_INTEGER..=MAX_SAFE_INTEGER).contains(&n));
        match safe && literal != "-0" && !self.has_fraction_or_exponent() {
            true => Ok(()),
            false => Err(self.issue(
                "number",
                "must be an integer within ±9007199254740991, written without fraction, exponent or -0",
            )),
        }
    }

    fn has_fraction_or_exponent(&self) -> bool {
        matches!(
            &self.bytes[self.at..],
            [b'.', b'0'..=b'9', ..] | [b'e' | b'E', b'0'..=b'9', ..] | [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..]
        )
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Result<bool, Issue> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.malformed());
        }
        self.at += word.len();
        Ok(false)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn malformed(&self) -> Issue {
        Issue::whole("json", format!("must be exactly one JSON value: something unexpected at byte {}", self.at))
    }

    fn lone_surrogate(&self) -> Issue {
        Issue::whole("encoding", "must not have an unpaired surrogate in an escape")
    }

    /// An issue at the value or key that the scan is at.
    fn issue(&self, rule: &str, allowed: &str) -> Issue {
        let mut path = String::new();
        for container in &self.open {
            match container {
                Open::Object { key, .. } => push_key(&mut path, key),
                Open::Array { index } => push_index(&mut path, *index),
            }
        }
        Issue::at(path, rule, allowed)
    }
}

#[cfg(test)]
mod tests;
