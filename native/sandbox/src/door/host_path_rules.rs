//! Rules for the host paths of a policy, and the directories of a configuration below which they may be: those of
//! `schemas/host-path-rules.ts`, by the same names. Only names are judged here; what lies there is seen when a sandbox is made.

use std::collections::HashSet;

use super::document::Filesystem;
use super::issue::{Issue, field_of, push_index};

/// All paths of a policy together. Bytes of UTF-8.
const LISTS_MAX_BYTES: usize = 24_576;
/// Directories that the sandbox has of its own, whatever its root file system.
const OWN: [&str; 5] = ["dev", "etc", "proc", "tmp", "work"];

const PATH: &str = "must be an absolute path of at most 4095 bytes and 255 a segment, without empty, . or .. segments and control characters";
const OWN_PLACE: &str = "must not be / and not in /dev, /etc, /proc, /tmp, /work: there the sandbox has something of its own, and nothing of the host's";
const KERNEL: &str = "must not be in /sys: it is never granted";
const TOGETHER: &str = "must leave its paths together at 24576 bytes or less";

/// The three lists of a policy; `path` is where they stand.
pub fn lists(path: &str, filesystem: &Filesystem) -> Vec<Issue> {
    let lists = [
        ("readonlyPaths", &filesystem.readonly_paths, true),
        ("readwritePaths", &filesystem.readwrite_paths, true),
        ("deniedPaths", &filesystem.denied_paths, false),
    ];
    let mut found: Vec<Issue> = Vec::new();
    for (name, list, grants) in lists {
        let judged =
            list.iter().flatten().enumerate().filter_map(|(index, one)| judge(&item(path, name, index), one, grants));
        found.extend(judged);
    }
    let bytes: usize = lists.iter().flat_map(|(_, list, _)| list.iter().flatten()).map(String::len).sum();
    found.extend((bytes > LISTS_MAX_BYTES).then(|| Issue::at(path, "size", TOGETHER)));
    found
}

/// The directories below which paths may be granted.
pub fn roots<'a>(paths: impl Iterator<Item = &'a str>) -> Vec<Issue> {
    let mut seen = HashSet::new();
    let issue = |(index, path): (usize, &'a str)| {
        let field = format!("roots[{index}].path");
        let twice = || Issue::at(&field, "duplicate-path", "must not be there twice");
        judge(&field, path, true).or_else(|| (!seen.insert(path)).then(twice))
    };
    paths.enumerate().filter_map(issue).collect()
}

fn item(path: &str, list: &str, index: usize) -> String {
    let mut field = field_of(path, list);
    push_index(&mut field, index);
    field
}

fn judge(field: &str, path: &str, grants: bool) -> Option<Issue> {
    let names = path.strip_prefix('/').unwrap_or_default();
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && name.len() <= 255;
    let has_control = path.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    let top = names.split('/').next().unwrap_or_default();
    match () {
        () if path == "/" => Some(Issue::at(field, "reserved-path", OWN_PLACE)),
        () if path.len() > 4095 || has_control || !names.split('/').all(is_name) => {
            Some(Issue::at(field, "path", PATH))
        }
        () if OWN.contains(&top) => Some(Issue::at(field, "reserved-path", OWN_PLACE)),
        () if grants && top == "sys" => Some(Issue::at(field, "reserved-path", KERNEL)),
        () => None,
    }
}
