//! This host, as a plan names it.

use forkserver::wire::{BindPlan, CgroupHierarchy, RootPlan};
use std::fs;

/// The v1 hierarchies of this host, below this process' own cgroup in each.
pub fn hierarchies() -> Vec<CgroupHierarchy> {
    let own = fs::read_to_string("/proc/self/cgroup").expect("cgroup");
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    ["memory", "pids", "cpu", "cpuacct"]
        .iter()
        .map(|controller| {
            let has = |list: &str| list.split(',').any(|name| name == *controller);
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                if has(parts.next()?) { parts.next() } else { None }
            });
            let mount = mounts.lines().find_map(|line| {
                let (left, right) = line.split_once(" - ")?;
                let mut right = right.split(' ');
                if right.next()? == "cgroup" && has(right.nth(1)?) { left.split(' ').nth(4) } else { None }
            });
            let directory = format!("{}{}", mount.expect("a v1 hierarchy"), path.expect("own path"));
            CgroupHierarchy {
                controller: (*controller).to_owned(),
                directory: directory.trim_end_matches('/').to_owned(),
            }
        })
        .collect()
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
