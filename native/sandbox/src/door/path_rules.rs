//! Rules for paths and patterns: those of `schemas/path-rules.ts`, by the same names. Bytes are those of UTF-8; a control
//! character is U+0000 to U+001F or U+007F.

use leave_out::Part;
use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use super::document::File;
use super::issue::Issue;

const CWD: &str = "must be an absolute path of at most 4096 bytes without empty, . or .. segments, and not /proc, /sys, /dev or below";
const FILE: &str = "must be a relative path below /work: at most 4096 bytes and 64 segments of 255 bytes, no empty, . or .. segment, no backslash, no control character";
const COLLISION: &str =
    "must not collide with another file: not the same, not above or below it, in any case or Unicode form";
const PATTERN: &str =
    "must be a pattern below /work: at most 1024 bytes, no empty, . or .. segment, no control character";
const GLOB: &str = "must use only *, ? and closed [...] within a segment, ** as a whole segment, and no backslash";

/// `cwd`: absolute, normalised, and not where the kernel's own file systems are.
pub fn working_directory(cwd: &str) -> Option<Issue> {
    let below = |top: &str| cwd == top || cwd.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
    let normal = cwd == "/" || cwd.strip_prefix('/').is_some_and(|rest| !rest.split('/').any(is_dotted));
    let allowed = normal && !has_control(cwd) && cwd.len() <= 4096 && !["/proc", "/sys", "/dev"].into_iter().any(below);
    let allowed = allowed || leave_out::is(Part::WorkingDirectoryRule);
    (!allowed).then(|| Issue::at("cwd", "path", CWD))
}

/// The paths of a job's files, one by one and against each other.
pub fn workspace_paths(files: &[File]) -> Vec<Issue> {
    let mut taken = Taken::default();
    let issue = |(index, file): (usize, &File)| {
        let field = format!("files[{index}].path");
        if !is_workspace_path(&file.path) {
            return Some(Issue::at(field, "path", FILE));
        }
        (!taken.claim(&file.path)).then(|| Issue::at(field, "duplicate-path", COLLISION))
    };
    files.iter().enumerate().filter_map(issue).collect()
}

/// The patterns of `artifacts`.
pub fn patterns(patterns: &[String]) -> Vec<Issue> {
    let issue = |(index, pattern): (usize, &String)| {
        let field = format!("artifacts[{index}]");
        if pattern.len() > 1024 || has_control(pattern) || pattern.split('/').any(is_dotted) {
            return Some(Issue::at(field, "path", PATTERN));
        }
        let allowed = !pattern.contains('\\') && pattern.split('/').all(is_glob_segment);
        (!allowed).then(|| Issue::at(field, "glob", GLOB))
    };
    patterns.iter().enumerate().filter_map(issue).collect()
}

/// Whether two workspace paths are the same, or one lies below the other, in any case or Unicode form.
pub fn collide(one: &str, other: &str) -> bool {
    let mut taken = Taken::default();
    taken.claim(one);
    !taken.claim(other)
}

fn is_dotted(segment: &str) -> bool {
    matches!(segment, "" | "." | "..")
}

fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte < 0x20 || byte == 0x7f)
}

fn is_workspace_path(path: &str) -> bool {
    let segment = |one: &str| !is_dotted(one) && one.len() <= 255;
    path.len() <= 4096
        && path.split('/').count() <= 64
        && !has_control(path)
        && !path.contains('\\')
        && path.split('/').all(segment)
}

/// Files and directories that a job's files make, folded so that names which look alike are the same.
#[derive(Default)]
struct Taken {
    files: HashSet<String>,
    directories: HashSet<String>,
}

impl Taken {
    /// Takes a path and all directories above it. False if one of them is taken as the other kind, or the file twice.
    fn claim(&mut self, path: &str) -> bool {
        let composed: String = path.nfc().collect();
        let folded: String = composed.to_lowercase().nfc().collect();
        if self.files.contains(&folded) || self.directories.contains(&folded) {
            return false;
        }
        for (slash, _) in folded.match_indices('/') {
            if self.files.contains(&folded[..slash]) {
                return false;
            }
            self.directories.insert(folded[..slash].to_owned());
        }
        self.files.insert(folded)
    }
}

fn is_glob_segment(segment: &str) -> bool {
    if segment == "**" {
        return true;
    }
    let characters: Vec<char> = segment.chars().collect();
    let mut at = 0;
    while let Some(open) = characters[at..].iter().position(|c| *c == '[').map(|found| at + found) {
        let negated = matches!(characters.get(open + 1), Some('!' | '^'));
        let start = open + if negated { 2 } else { 1 };
        let Some(end) = characters.iter().skip(start + 1).position(|c| *c == ']').map(|found| start + 1 + found) else {
            return false;
        };
        if !has_ordered_ranges(&characters[start..end]) {
            return false;
        }
        at = end + 1;
    }
    !segment.contains("**")
}

fn has_ordered_ranges(members: &[char]) -> bool {
    let mut rest = members;
    while let [first, after @ ..] = rest {
        rest = match after {
            ['-', last, ..] if first > last => return false,
            // `a-c-e`: matchers disagree about what that is.
            ['-', _, '-', _, ..] => return false,
            ['-', _, tail @ ..] => tail,
            _ => after,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_judged_by_their_brackets_and_stars() {
        for good in
            ["a", "*", "**", "a?b*", "[a-z]", "[!a]", "[^]]", "[]]", "[-a]", "[a-]", "[a-c-]", "[--a]", "a]b", "{a,b}"]
        {
            assert!(is_glob_segment(good), "{good}");
        }
        for bad in ["[", "[]", "[!]", "[z-a]", "[a-c-e]", "a**", "***", "[a", "[!"] {
            assert!(!is_glob_segment(bad), "{bad}");
        }
    }

    #[test]
    fn names_that_look_alike_collide() {
        for (one, other) in [("a", "A"), ("\u{e9}", "e\u{301}"), ("d/f", "D"), ("d", "d/f"), ("\u{130}", "i\u{307}")] {
            assert!(collide(one, other), "{one} {other}");
        }
        assert!(!collide("d/f", "d/g"));
        assert!(!collide("d/f", "df"));
    }

    #[test]
    fn a_working_directory_is_absolute_and_not_the_kernels() {
        for good in ["/", "/work", "/work/a", "/process", "/dev2/x"] {
            assert_eq!(working_directory(good), None, "{good}");
        }
        for bad in
            ["", "work", "/work/", "//", "/a//b", "/a/../b", "/proc", "/proc/self/fd/7", "/sys", "/dev/shm", "/a\n"]
        {
            assert!(working_directory(bad).is_some(), "{bad}");
        }
    }
}
