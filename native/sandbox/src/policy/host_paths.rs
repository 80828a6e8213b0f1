//! Host paths of a policy against the operator's directories: which one each is in, and whether that may be granted.
//!
//! Pure, on names. What a path leads to is seen when the sandbox is made, by whoever opens it; `refusal` says that in the words of the
//! document.

use std::path::Path;

use forkserver::wire::{HostRoot, PathAccess, PathPlan, PathRule};
use serde::Serialize;

use crate::config::{RootAccess, RootConfig, WorkerConfig};
use crate::door::Issue;
use crate::runtime::RootFilesystem;

/// The three lists of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PathLists {
    #[serde(rename = "readonlyPaths")]
    pub readonly: Vec<String>,
    #[serde(rename = "readwritePaths")]
    pub readwrite: Vec<String>,
    #[serde(rename = "deniedPaths")]
    pub denied: Vec<String>,
}

/// One path, in the words of the forkserver and in those of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPath {
    pub field: String,
    pub plan: PathPlan,
}

impl PathLists {
    fn all(&self) -> impl Iterator<Item = (String, &str, PathAccess)> {
        let lists = [
            ("readonlyPaths", &self.readonly, PathAccess::Readonly),
            ("readwritePaths", &self.readwrite, PathAccess::Readwrite),
            ("deniedPaths", &self.denied, PathAccess::Denied),
        ];
        lists.into_iter().flat_map(|(name, list, access)| {
            let field = move |index| format!("policy.filesystem.{name}[{index}]");
            list.iter().enumerate().map(move |(index, path)| (field(index), path.as_str(), access))
        })
    }

    fn grants(&self) -> bool {
        !self.readonly.is_empty() || !self.readwrite.is_empty()
    }
}

/// Finds the operator's directory of each path, and what may not be granted. What is denied outside of all of them is hidden already, and
/// so is everything where nothing is granted.
pub fn find(lists: &PathLists, config: &WorkerConfig) -> (Vec<HostPath>, Vec<Issue>) {
    let (mut found, mut issues) = (Vec::new(), Vec::new());
    for (field, path, access) in lists.all() {
        match look_up(path, access, config) {
            Ok(Some(plan)) => found.push(HostPath { field, plan }),
            Ok(None) => {}
            Err((rule, allowed)) => issues.push(Issue::at(field, rule, allowed)),
        }
    }
    if !lists.grants() {
        found.clear();
    }
    (found, issues)
}

/// One path; else the rule that it breaks, and what is allowed.
fn look_up(
    path: &str,
    access: PathAccess,
    config: &WorkerConfig,
) -> Result<Option<PathPlan>, (&'static str, &'static str)> {
    let granted = access != PathAccess::Denied;
    let Some((root, below)) = root_of(path, &config.roots) else {
        let outside = ("outside-roots", "must be in a directory that the operator of this worker lists in roots");
        return if granted { Err(outside) } else { Ok(None) };
    };
    if access == PathAccess::Readwrite && config.roots[root].access == RootAccess::Readonly {
        return Err(("ceiling", "must be readonly: the operator of this worker allows no more there"));
    }
    if granted && touches(path, &config.run_dir) {
        return Err(("reserved-path", "must not have the worker's own directory in it, and not be in it"));
    }
    Ok(Some(PathPlan { root: root as u32, below: below.to_owned(), access }))
}

/// Checks that no path is where the root file system of the job's runtime has something: there it could neither be shown nor hidden.
pub fn check_places(lists: &PathLists, root: &RootFilesystem) -> Vec<Issue> {
    let has = |name: &str| root.places().any(|place| top(place) == name);
    let reserved = lists.all().filter(|(_, path, _)| has(top(path)));
    let issue = |(field, path, _): (String, &str, PathAccess)| {
        let allowed = format!("must not be in /{}: it is part of the runtime's own root file system", top(path));
        Issue::at(field, "reserved-path", allowed)
    };
    reserved.map(issue).collect()
}

/// What the forkserver has to say about a path, as an issue of the document.
pub fn refusal(paths: &[HostPath], path: u32, rule: PathRule) -> Issue {
    let field = paths.get(path as usize).map_or("policy.filesystem", |path| path.field.as_str());
    let (rule, allowed) = match rule {
        PathRule::Missing => ("missing", "must exist on the worker's host"),
        PathRule::Symlink => ("symlink", "must not be or lead through a symbolic link: name what it points to"),
        PathRule::OtherFilesystem => (
            "other-filesystem",
            "must be in the file system of the operator's directory: what is mounted below that is not part of it",
        ),
        PathRule::MountBelow => (
            "mount-below",
            "must not have another file system mounted in it, unless a path of the policy says what becomes of that",
        ),
        PathRule::FileType => ("file-type", "must be a regular file or a directory"),
        PathRule::HardLink => (
            "hard-link",
            "must not be a file with other names (hard links), nor a directory with such files: by those it could still be reached",
        ),
        PathRule::TooLarge => (
            "too-large",
            "must be a directory of at most 4096 files and 32 levels to be denied, and the policy must come to 512 mounts or less",
        ),
    };
    Issue::at(field, rule, allowed)
}

/// The operator's directories as the forkserver opens them, in their order.
pub fn host_roots(roots: &[RootConfig]) -> Vec<HostRoot> {
    let access = |access| match access {
        RootAccess::Readonly => PathAccess::Readonly,
        RootAccess::Readwrite => PathAccess::Readwrite,
    };
    roots.iter().map(|root| HostRoot { path: root.path.clone(), access: access(root.access) }).collect()
}

/// The deepest directory that a path is in, and the way from there.
fn root_of<'a>(path: &'a str, roots: &[RootConfig]) -> Option<(usize, &'a str)> {
    let below = |root: &RootConfig| {
        let rest = path.strip_prefix(root.path.as_str())?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    };
    let all = roots.iter().enumerate().filter_map(|(index, root)| Some((index, below(root)?)));
    all.min_by_key(|(_, rest)| rest.len())
}

fn touches(path: &str, other: &Path) -> bool {
    Path::new(path).starts_with(other) || other.starts_with(path)
}

fn top(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::Catalogue;

    fn config() -> WorkerConfig {
        let roots = json!([{ "path": "/srv", "access": "readonly" }, { "path": "/srv/out", "access": "readwrite" }, { "path": "/run", "access": "readwrite" }]);
        serde_json::from_value(json!({ "version": 1, "roots": roots })).expect("a configuration")
    }

    fn lists(readonly: &[&str], readwrite: &[&str], denied: &[&str]) -> PathLists {
        let list = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect();
        PathLists { readonly: list(readonly), readwrite: list(readwrite), denied: list(denied) }
    }

    /// What was found (root, way, access), or the path and the rule of an issue.
    type Found = Result<Vec<(u32, String, PathAccess)>, (String, String)>;

    fn found(lists: &PathLists) -> Found {
        let (paths, issues) = find(lists, &config());
        issues.into_iter().next().map_or(Ok(()), |issue| Err((issue.path, issue.rule)))?;
        Ok(paths.into_iter().map(|path| (path.plan.root, path.plan.below, path.plan.access)).collect())
    }

    fn refused(path: &str, rule: &str) -> Found {
        Err((format!("policy.filesystem.{path}"), rule.to_owned()))
    }

    #[test]
    fn each_path_belongs_to_the_deepest_directory_that_it_is_in() {
        let all = found(&lists(&["/srv", "/srv/output"], &["/srv/out/a", "/srv/out"], &["/srv/out/a/b", "/home/x"]));
        let (ro, rw, no) = (PathAccess::Readonly, PathAccess::Readwrite, PathAccess::Denied);
        let want = [(0, "", ro), (0, "output", ro), (1, "a", rw), (1, "", rw), (1, "a/b", no)];
        assert_eq!(all, Ok(want.map(|(root, below, access)| (root, below.to_owned(), access)).to_vec()));
    }

    #[test]
    fn nothing_is_granted_outside_and_nothing_above_what_the_operator_allows() {
        assert_eq!(found(&lists(&["/srv", "/home/x"], &[], &[])), refused("readonlyPaths[1]", "outside-roots"));
        assert_eq!(found(&lists(&["/srvx"], &[], &[])), refused("readonlyPaths[0]", "outside-roots"));
        assert_eq!(found(&lists(&[], &["/srv/out", "/srv/in"], &[])), refused("readwritePaths[1]", "ceiling"));
        for path in ["/run", "/run/bullpen", "/run/bullpen/stage"] {
            assert_eq!(found(&lists(&[], &[path], &[])), refused("readwritePaths[0]", "reserved-path"), "{path}");
        }
        assert!(found(&lists(&["/run/bullpen2"], &[], &[])).is_ok());
    }

    #[test]
    fn where_nothing_is_granted_nothing_needs_to_be_hidden() {
        assert_eq!(found(&lists(&[], &[], &["/srv/x", "/root"])), Ok(Vec::new()));
    }

    #[test]
    fn the_runtimes_own_directories_are_neither_granted_nor_denied() {
        let catalogue = Catalogue::of(&config());
        let verdict = |lists: PathLists| {
            let issues = check_places(&lists, &catalogue.roots["debian"]);
            issues.into_iter().next().map_or(Ok(()), |issue| Err((issue.path, issue.rule)))
        };
        let refused = |field: &str| Err((format!("policy.filesystem.{field}"), "reserved-path".to_owned()));
        assert_eq!(verdict(lists(&["/srv", "/usr/share"], &[], &[])), refused("readonlyPaths[1]"));
        assert_eq!(verdict(lists(&[], &["/lib64"], &[])), refused("readwritePaths[0]"));
        assert_eq!(verdict(lists(&[], &[], &["/bin/sh"])), refused("deniedPaths[0]"));
        assert_eq!(verdict(lists(&["/srv", "/opt"], &["/home/a"], &["/root"])), Ok(()));
    }
}
