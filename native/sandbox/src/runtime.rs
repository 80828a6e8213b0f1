//! Runtimes and root file systems: data. A new one needs no code, only an entry in the configuration or in `runtimes.json`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use forkserver::wire::{BindPlan, RootPlan};
use serde::Deserialize;

use crate::config::WorkerConfig;
use crate::policy;

/// Id of user and group inside every sandbox.
pub const INSIDE_ID: u32 = 1000;

/// A language: its main file, how it is built and run, and its root file system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runtime {
    #[serde(default)]
    pub description: String,
    /// Name of the file that a job's `source` becomes in its workspace.
    pub main_file: String,
    /// Program and arguments of the run step; the job's `args` follow.
    pub argv: Vec<String>,
    /// Absolute path of what must exist for the runtime to work.
    pub interpreter: String,
    pub build: Option<Build>,
    /// Name of its [`RootFilesystem`].
    pub root: String,
    /// Environment over the sandbox's own, below the job's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A step before the run. It sees the runtime's environment, not the job's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Build {
    pub argv: Vec<String>,
    pub wall_time_ms: u64,
    pub cpu_time_ms: u64,
}

/// A read-only root made of host directories and an `/etc` of our own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootFilesystem {
    /// Host directories that appear read-only at the same place.
    pub binds: Vec<String>,
    /// Symbolic links: path in the root, target. One whose target this host lacks is left out.
    #[serde(default)]
    pub symlinks: BTreeMap<String, String>,
    #[serde(default)]
    pub etc: Etc,
}

/// What `/etc` holds beside the generated files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Etc {
    /// Host paths below `/etc` that are copied in.
    #[serde(default)]
    pub copies: Vec<String>,
}

/// All runtimes and root file systems of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Catalogue {
    pub runtimes: BTreeMap<String, Runtime>,
    #[serde(rename = "rootFilesystems")]
    pub roots: BTreeMap<String, RootFilesystem>,
}

static BUILT_IN: LazyLock<Catalogue> =
    LazyLock::new(|| serde_json::from_str(include_str!("../runtimes.json")).expect("runtimes.json is a catalogue"));

impl Catalogue {
    /// The built-in entries, with those of the configuration added or in their place. No build has more time than the
    /// operator's ceilings allow.
    pub fn of(config: &WorkerConfig) -> Catalogue {
        let mut all = BUILT_IN.clone();
        all.runtimes.extend(config.runtimes.clone());
        all.roots.extend(config.root_filesystems.clone());
        let most = policy::ceiling(config).limits;
        for build in all.runtimes.values_mut().filter_map(|runtime| runtime.build.as_mut()) {
            build.wall_time_ms = build.wall_time_ms.min(most.wall_time_ms);
            build.cpu_time_ms = build.cpu_time_ms.min(most.cpu_time_ms);
        }
        all
    }

    /// What the forkserver stages on this host.
    pub fn root_plans(&self) -> Vec<RootPlan> {
        self.roots.iter().map(|(name, root)| root.plan(name, |path| path.exists())).collect()
    }
}

impl RootFilesystem {
    /// Every place that it has something at.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.binds.iter().chain(self.symlinks.keys()).chain(&self.etc.copies).map(String::as_str)
    }

    fn plan(&self, name: &str, exists: impl Fn(&Path) -> bool) -> RootPlan {
        let on_host = |target: &str| exists(&Path::new("/").join(target));
        let same_place = |path: &String| BindPlan { source: path.clone(), target: path.clone() };
        let links = self.symlinks.iter().filter(|(_, target)| on_host(target));
        RootPlan {
            name: name.to_owned(),
            binds: self.binds.iter().map(same_place).collect(),
            symlinks: links.map(|(path, target)| (path.clone(), target.clone())).collect(),
            files: generated_etc(),
            copies: self.etc.copies.clone(),
        }
    }
}

/// The files of `/etc` that must not be the host's.
fn generated_etc() -> Vec<(String, String)> {
    let id = INSIDE_ID;
    let passwd = format!(
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n\
         bullpen:x:{id}:{id}:bullpen:/work:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let files = [
        ("/etc/passwd", passwd),
        ("/etc/group", format!("root:x:0:\nbullpen:x:{id}:\nnogroup:x:65534:\n")),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n".to_owned(),
        ),
        ("/etc/hosts", "127.0.0.1 localhost bullpen\n::1 localhost\n".to_owned()),
        ("/etc/hostname", "bullpen\n".to_owned()),
    ];
    files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    use super::*;

    /// Links into `/etc` that stay dangling in a sandbox, and why.
    const NOT_FOR_GUESTS: [(&str, &str); 3] = [
        ("/etc/ssl/private", "keys of the host"),
        ("/etc/environment", "the operator's proxies and tokens"),
        ("/etc/maven", "may hold credentials of repositories"),
    ];

    #[test]
    fn built_in_runtimes_pass_the_schema_of_the_configuration() {
        let value = serde_json::from_str(include_str!("../runtimes.json")).expect("JSON");
        assert_eq!(crate::door::check(crate::door::Document::WorkerConfig, &value), vec![]);
    }

    #[test]
    fn a_root_has_only_the_links_whose_target_the_host_has() {
        let plan = BUILT_IN.roots["debian"].plan("debian", |path| path != Path::new("/usr/lib32"));
        let links: Vec<&str> = plan.symlinks.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(links, ["/bin", "/lib", "/lib64", "/libx32", "/sbin"]);
    }

    #[test]
    fn generated_accounts_hold_no_user_of_the_host() {
        let files = generated_etc();
        let users: Vec<&str> = files[0].1.lines().map(|line| line.split(':').next().unwrap_or("")).collect();
        assert_eq!(users, ["root", "bullpen", "nobody"]);
    }

    #[test]
    fn every_link_from_usr_into_etc_leads_to_a_copied_file() {
        for (name, root) in &BUILT_IN.roots {
            let covered = |target: &Path| root.etc.copies.iter().any(|copy| target.starts_with(copy));
            let refused = |target: &Path| NOT_FOR_GUESTS.iter().any(|(path, _)| target.starts_with(path));
            let links = root.binds.iter().flat_map(|bind| links_into_etc(Path::new(bind)));
            let open: Vec<_> = links.filter(|(_, target)| !covered(target) && !refused(target)).collect();
            assert_eq!(open, vec![], "{name}: add the targets to etc.copies");
        }
    }

    fn links_into_etc(top: &Path) -> Vec<(PathBuf, PathBuf)> {
        let device = std::fs::metadata(top).expect("a bound directory exists").dev();
        let (mut found, mut open) = (Vec::new(), vec![top.to_owned()]);
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
                if kind.is_dir() && entry.metadata().is_ok_and(|m| m.dev() == device) {
                    open.push(path);
                } else if kind.is_symlink() {
                    let target = normalised(&dir, &std::fs::read_link(&path).expect("a link"));
                    if target.starts_with("/etc") {
                        found.push((path, target));
                    }
                }
            }
        }
        found
    }

    fn normalised(dir: &Path, target: &Path) -> PathBuf {
        let mut whole = PathBuf::new();
        for part in dir.join(target).components() {
            match part {
                std::path::Component::ParentDir => drop(whole.pop()),
                other => whole.push(other),
            }
        }
        whole
    }
}
