//! Which control group hierarchies this host has, and where in them sandboxes get their leaves.
//!
//! A controller is taken from cgroup v1 where that has it, else from v2: a host has each in one of them only. Both may be there
//! (hybrid hosts: v1 has the controllers); a v2 tree that keeps nothing for us is left alone, as killing by it was measured to
//! be no faster there than killing a sandbox's PID 1.

mod ground;
pub(crate) mod mounts;

use std::io;
use std::path::PathBuf;

use forkserver::wire::{CgroupHierarchy, CgroupVersion};

use self::ground::Ground;
use self::mounts::Mounts;

/// The controllers that a job's limits need, each with the layer that it is. On v2 `cpu` counts, too.
const NEEDED: [(&str, &str); 4] =
    [("memory", "cgroup-memory"), ("pids", "cgroup-pids"), ("cpu", "cgroup-cpu"), ("cpuacct", "cgroup-cpu")];

/// What was found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    pub found: Vec<CgroupHierarchy>,
    /// Layers that can't hold, with the reason.
    pub missing: Vec<(&'static str, String)>,
}

impl Hierarchies {
    /// Directories below which leaves are made.
    pub fn directories(&self) -> impl Iterator<Item = PathBuf> {
        self.found.iter().map(|one| PathBuf::from(&one.directory))
    }
}

/// Finds the hierarchies, and makes room in v2 where it is needed: there a group that hands down controllers may hold no
/// process itself, so if there is no better place, the processes of this one's own group are moved into a group beneath it.
/// Doing it again changes nothing.
pub fn settle() -> io::Result<Hierarchies> {
    let mounts = Mounts::read()?;
    let ground = || match mounts.v2() {
        Some(v2) => ground::find(v2),
        None => Err("no cgroup hierarchy has it".to_owned()),
    };
    Ok(assign(&mounts, ground::may_make_below, ground))
}

/// Which hierarchy keeps what. `ground` is asked only if v1 lacks something, or has it where groups `may` not be made.
fn assign(
    mounts: &Mounts,
    may: impl Fn(&str) -> Result<(), String>,
    ground: impl FnOnce() -> Result<Ground, String>,
) -> Hierarchies {
    let mut all = Hierarchies { found: Vec::new(), missing: Vec::new() };
    let mut lacking = Vec::new();
    for needed in NEEDED {
        match mounts.v1(needed.0).map(|directory| may(&directory).map(|()| directory)) {
            Some(Ok(directory)) => all.keep(CgroupVersion::V1, directory, needed.0),
            Some(Err(why)) => all.missing.push((needed.1, format!("the controller {}: {why}", needed.0))),
            None => lacking.push(needed),
        }
    }
    if lacking.is_empty() {
        return all;
    }
    let ground = ground();
    // CPU time is counted by the controller that limits it.
    let cpu_on_v2 = lacking.iter().any(|(name, _)| *name == "cpu");
    for (controller, layer) in lacking.into_iter().filter(|(name, _)| *name != "cpuacct" || !cpu_on_v2) {
        match &ground {
            Ok(ground) if ground.offers(controller) => {
                all.keep(CgroupVersion::V2, ground.directory.clone(), controller)
            }
            Ok(ground) => {
                all.missing.push((layer, format!("{} does not offer the controller {controller}", ground.directory)))
            }
            Err(why) => all.missing.push((layer, format!("the controller {controller}: {why}"))),
        }
    }
    all
}

impl Hierarchies {
    fn keep(&mut self, version: CgroupVersion, directory: String, controller: &str) {
        let known = self.found.iter_mut().find(|one| one.version == version && one.directory == directory);
        match known {
            Some(known) => known.controllers.push(controller.to_owned()),
            None => self.found.push(CgroupHierarchy { version, controllers: vec![controller.to_owned()], directory }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(controllers: &[&str], directory: &str) -> CgroupHierarchy {
        hierarchy(CgroupVersion::V1, controllers, directory)
    }

    fn hierarchy(version: CgroupVersion, controllers: &[&str], directory: &str) -> CgroupHierarchy {
        let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        CgroupHierarchy { version, controllers, directory: directory.to_owned() }
    }

    fn ground(controllers: &[&str]) -> Result<Ground, String> {
        let controllers = controllers.iter().map(|&name| name.to_owned()).collect();
        Ok(Ground { directory: "/sys/fs/cgroup/x".to_owned(), controllers })
    }

    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn on_v1_every_controller_is_found_where_this_process_is() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n40 31 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let places = "8:pids:/\n4:memory:/a/b\n2:cpuacct:/\n1:cpu:/\n0::/\n";
        let all = assign(&Mounts::parse(mounts, places), |_| Ok(()), || panic!("v1 has everything"));
        let expected = [
            v1(&["memory"], "/sys/fs/cgroup/memory/a/b"),
            v1(&["pids"], "/sys/fs/cgroup/pids"),
            v1(&["cpu"], "/sys/fs/cgroup/cpu"),
            v1(&["cpuacct"], "/sys/fs/cgroup/cpuacct"),
        ];
        assert_eq!((all.found, all.missing), (expected.to_vec(), vec![]));
    }

    #[test]
    fn a_hierarchy_that_two_share_is_one() {
        let mounts = "1 2 0:3 / /c/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n2 2 0:4 / /c/m rw - cgroup cgroup rw,memory,pids\n";
        let all = assign(
            &Mounts::parse(mounts, "5:cpu,cpuacct:/\n6:memory,pids:/y\n"),
            |_| Ok(()),
            || panic!("v1 has everything"),
        );
        assert_eq!(all.found, [v1(&["memory", "pids"], "/c/m/y"), v1(&["cpu", "cpuacct"], "/c/cpu,cpuacct")]);
    }

    #[test]
    fn v2_keeps_all_three() {
        let all = assign(&Mounts::parse(V2, "0::/x\n"), |_| Ok(()), || ground(&["cpuset", "cpu", "memory", "pids"]));
        let expected = hierarchy(CgroupVersion::V2, &["memory", "pids", "cpu"], "/sys/fs/cgroup/x");
        assert_eq!((all.found, all.missing), (vec![expected], vec![]));
    }

    #[test]
    fn a_controller_that_v2_has_beside_v1_is_taken_from_there() {
        let mounts =
            "1 2 0:3 / /c/m rw - cgroup cgroup rw,memory\n2 2 0:4 / /c/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";
        let all = assign(&Mounts::parse(mounts, "5:cpu,cpuacct:/\n6:memory:/\n"), |_| Ok(()), || ground(&["pids"]));
        assert_eq!(all.missing, []);
        assert_eq!(all.found.last(), Some(&hierarchy(CgroupVersion::V2, &["pids"], "/sys/fs/cgroup/x")));
    }

    #[test]
    fn a_place_in_v1_that_is_not_ours_to_write_to_keeps_nothing() {
        let mounts = "1 2 0:3 / /c/all rw - cgroup cgroup rw,cpu,cpuacct,memory,pids\n";
        let all = assign(
            &Mounts::parse(mounts, "5:cpu,cpuacct,memory,pids:/\n"),
            |_| Err("not ours".to_owned()),
            || panic!(),
        );
        let layers: Vec<&str> = all.missing.iter().map(|(layer, _)| *layer).collect();
        assert_eq!((all.found, layers), (vec![], vec!["cgroup-memory", "cgroup-pids", "cgroup-cpu", "cgroup-cpu"]));
        assert_eq!(all.missing[0].1, "the controller memory: not ours");
    }

    #[test]
    fn what_is_not_offered_is_missing_with_its_reason() {
        let all = assign(&Mounts::parse(V2, "0::/x\n"), |_| Ok(()), || ground(&["memory", "pids"]));
        let reason = "/sys/fs/cgroup/x does not offer the controller cpu";
        assert_eq!(all.missing, [("cgroup-cpu", reason.to_owned())]);
        let all = assign(&Mounts::parse(V2, "0::/x\n"), |_| Ok(()), || Err("may not be written to".to_owned()));
        let layers: Vec<&str> = all.missing.iter().map(|(layer, _)| *layer).collect();
        assert_eq!((layers.as_slice(), all.found), (["cgroup-memory", "cgroup-pids", "cgroup-cpu"].as_slice(), vec![]));
        assert_eq!(all.missing[0].1, "the controller memory: may not be written to");
    }
}
