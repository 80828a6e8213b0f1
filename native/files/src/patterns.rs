//! Which paths are artifacts.

use globset::{Candidate, Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Glob patterns relative to `/work`: `*`, `?` and `[…]` within a segment, `**` for any number of whole segments, everything
/// else literal (braces too).
#[derive(Debug)]
pub struct Patterns {
    files: GlobSet,
    /// Patterns without wildcards: they name what they mean, a directory too.
    literal: Vec<String>,
    /// What has to be walked through to find all files: the patterns' own beginnings.
    directories: GlobSet,
}

impl Patterns {
    /// Parses `patterns`; the error names the one that isn't a glob, and why.
    pub fn parse(patterns: &[String]) -> Result<Patterns, globset::Error> {
        let mut files = GlobSetBuilder::new();
        let mut directories = GlobSetBuilder::new();
        for pattern in patterns {
            files.add(glob(pattern)?);
            for beginning in beginnings(pattern) {
                directories.add(glob(&beginning)?);
            }
        }
        let literal = patterns.iter().filter(|pattern| !has_wildcard(pattern)).cloned().collect();
        Ok(Patterns { files: files.build()?, literal, directories: directories.build()? })
    }

    /// Whether a file of this path is an artifact.
    pub fn match_file(&self, path: &[u8]) -> bool {
        self.files.is_match_candidate(&Candidate::from_bytes(path))
    }

    /// Whether a pattern means this very path. A directory is an artifact (a wrong one) only then.
    pub fn name_exactly(&self, path: &[u8]) -> bool {
        self.literal.iter().any(|pattern| pattern.as_bytes() == path)
    }

    /// Whether artifacts may lie below this directory.
    pub fn lead_through(&self, directory: &[u8]) -> bool {
        self.directories.is_match_candidate(&Candidate::from_bytes(directory))
    }
}

fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// `a/*/c` begins with `a` and `a/*`; from the first `**` on, everything may lie deeper.
fn beginnings(pattern: &str) -> Vec<String> {
    let segments: Vec<&str> = pattern.split('/').collect();
    let plain = segments.iter().position(|segment| *segment == "**").unwrap_or(segments.len() - 1);
    let mut beginnings: Vec<String> = (1..=plain).map(|count| segments[..count].join("/")).collect();
    if segments.contains(&"**") {
        beginnings.push(segments[..=plain].join("/"));
    }
    beginnings
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    let literal_braces = outside_classes(pattern, |c| matches!(c, '{' | '}'));
    GlobBuilder::new(&literal_braces).literal_separator(true).backslash_escape(false).build()
}

/// Puts the characters that `special` picks into a class of their own (`[{]`), except where they are in a class already.
fn outside_classes(pattern: &str, special: impl Fn(char) -> bool) -> String {
    let mut result = String::with_capacity(pattern.len());
    let mut class = Class::Outside;
    for c in pattern.chars() {
        match class {
            Class::Outside if special(c) => result.extend(['[', c, ']']),
            _ => result.push(c),
        }
        class = class.after(c);
    }
    result
}

/// Where in a `[…]` we are: a `]` that comes first, or after a first `!` or `^`, is a member.
#[derive(Clone, Copy)]
enum Class {
    Outside,
    Opened,
    Negated,
    Inside,
}

impl Class {
    fn after(self, c: char) -> Class {
        match (self, c) {
            (Class::Outside, '[') => Class::Opened,
            (Class::Outside, _) | (Class::Inside, ']') => Class::Outside,
            (Class::Opened, '!' | '^') => Class::Negated,
            (Class::Opened | Class::Negated | Class::Inside, _) => Class::Inside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(patterns: &[&str]) -> Patterns {
        Patterns::parse(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn wildcards_stay_within_a_segment() {
        let found = |pattern: &str, path: &str| patterns(&[pattern]).match_file(path.as_bytes());
        for (pattern, path) in [
            ("out/*", "out/a"),
            ("*.txt", ".txt"),
            ("a?c", "abc"),
            ("[a-c]", "b"),
            ("out/**", "out/a/b"),
            ("**/x", "x"),
            ("**/x", "a/b/x"),
            ("**", "a/b"),
            ("a/**/b", "a/b"),
            ("{a,b}", "{a,b}"),
            ("[{]", "{"),
            ("*", ".hidden"),
        ] {
            assert!(found(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("out/*", "out/a/b"),
            ("*.txt", "a/b.txt"),
            ("a?c", "a/c"),
            ("a[!x]c", "a/c"),
            ("a[--0]c", "a/c"),
            ("{a,b}", "a"),
            ("out/**", "out"),
            ("a", "A"),
        ] {
            assert!(!found(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn names_that_are_not_text_match_as_bytes() {
        assert!(patterns(&["out/*"]).match_file(b"out/\xff\xfe"));
        assert!(patterns(&["**"]).match_file(b"\xff/\n"));
    }

    #[test]
    fn only_what_may_hold_artifacts_is_walked_through() {
        let through = |pattern: &str, path: &str| patterns(&[pattern]).lead_through(path.as_bytes());
        for (pattern, path) in [
            ("a/b/c", "a"),
            ("a/b/c", "a/b"),
            ("a/*/c", "a/x"),
            ("a/**", "a"),
            ("a/**", "a/b/c"),
            ("**/c", "x"),
            ("**", "x/y"),
        ] {
            assert!(through(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("a/b/c", "b"), ("a/b/c", "a/b/c"), ("a/*", "a/b"), ("*", "a"), ("a/*/c", "a/x/y"), ("a/**", "b")]
        {
            assert!(!through(pattern, path), "{pattern} {path}");
        }
    }
}
