//! This host, as a plan names it.

use forkserver::wire::{BindPlan, CgroupHierarchy, CgroupVersion, RootPlan};
use std::fs;

/// A way in which this host can keep cgroups.
#[derive(Debug, Clone)]
pub struct Kind {
    pub name: &'static str,
    pub hierarchies: Vec<CgroupHierarchy>,
}

/// All that this host has, the richest last. A v1 host with a v2 tree beside it counts as both.
pub fn kinds() -> Vec<Kind> {
    let (v1, v2) = (v1(), v2());
    let all =
        v2.iter().any(|one| ["memory", "pids", "cpu"].iter().all(|name| one.controllers.iter().any(|has| has == name)));
    match (v1.is_empty(), v2) {
        (true, Some(v2)) if all => vec![Kind { name: "v2", hierarchies: vec![v2] }],
        (false, Some(v2)) => {
            let beside = CgroupHierarchy { controllers: Vec::new(), ..v2 };
            let both = v1.iter().cloned().chain([beside]).collect();
            vec![Kind { name: "v1", hierarchies: v1 }, Kind { name: "hybrid", hierarchies: both }]
        }
        (false, None) => vec![Kind { name: "v1", hierarchies: v1 }],
        (true, _) => panic!("these tests need cgroups"),
    }
}

/// What tests use that aren't about cgroups.
pub fn hierarchies() -> Vec<CgroupHierarchy> {
    kinds().pop().expect("a kind").hierarchies
}

/// The v1 hierarchies of the four controllers, below this process' own cgroup in each.
fn v1() -> Vec<CgroupHierarchy> {
    let mut found: Vec<CgroupHierarchy> = Vec::new();
    for controller in ["memory", "pids", "cpu", "cpuacct"] {
        let has = |list: &str| list.split(',').any(|name| name == controller);
        let Some(directory) = own_directory("cgroup", has) else { return Vec::new() };
        match found.iter_mut().find(|one| one.directory == directory) {
            Some(shared) => shared.controllers.push(controller.to_owned()),
            None => {
                let controllers = vec![controller.to_owned()];
                found.push(CgroupHierarchy { version: CgroupVersion::V1, controllers, directory });
            }
        }
    }
    found
}

/// The nearest cgroup at or above our own that may hand down controllers: the root, or one without processes.
fn v2() -> Option<CgroupHierarchy> {
    let mut directory = own_directory("cgroup2", str::is_empty)?;
    while fs::read_to_string(format!("{directory}/cgroup.procs")).is_ok_and(|procs| !procs.is_empty())
        && fs::exists(format!("{directory}/cgroup.type")).is_ok_and(|is_not_root| is_not_root)
    {
        directory.truncate(directory.rfind('/')?);
    }
    let offered = fs::read_to_string(format!("{directory}/cgroup.controllers")).ok()?;
    let ours = offered.split_whitespace().filter(|name| ["memory", "pids", "cpu"].contains(name));
    Some(CgroupHierarchy { version: CgroupVersion::V2, controllers: ours.map(str::to_owned).collect(), directory })
}

/// This process' directory in the hierarchy whose controllers fit; that of v2 has none in these lists.
fn own_directory(filesystem: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let own = fs::read_to_string("/proc/self/cgroup").expect("cgroup");
    let path = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        if fits(parts.next()?) { parts.next() } else { None }
    })?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let mount = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let matches = right.next()? == filesystem && (filesystem == "cgroup2" || fits(right.nth(1)?));
        if matches { left.split(' ').nth(4) } else { None }
    })?;
    Some(format!("{mount}{path}").trim_end_matches('/').to_owned())
}

pub fn debian() -> RootPlan {
    let link = |path: &str, target: &str| (path.to_owned(), target.to_owned());
    RootPlan {
        name: "debian".into(),
        binds: vec![BindPlan { source: "/usr".into(), target: "/usr".into() }],
        symlinks: vec![
            link("/bin", "usr/bin"),
            link("/sbin", "usr/sbin"),
            link("/lib", "usr/lib"),
            link("/lib64", "usr/lib64"),
        ],
        files: vec![
            link("/etc/passwd", "bullpen:x:1000:1000::/work:/bin/sh\n"),
            link("/etc/group", "bullpen:x:1000:\n"),
        ],
        copies: vec!["/etc/alternatives".into(), "/etc/ld.so.cache".into(), "/etc/no-such-file".into()],
    }
}
