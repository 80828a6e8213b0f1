//! Which control group hierarchies this host has, and where this process is in them.

use forkserver::wire::CgroupHierarchy;

/// The v1 controllers that a job's limits need, each with the layer that it is.
const NEEDED: [(&str, &str); 4] =
    [("memory", "cgroup-memory"), ("pids", "cgroup-pids"), ("cpu", "cgroup-cpu"), ("cpuacct", "cgroup-cpu")];

/// What was found on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchies {
    pub found: Vec<CgroupHierarchy>,
    /// Layers that can't hold, with the reason.
    pub missing: Vec<(&'static str, String)>,
}

/// Reads this host's mounts and this process' place.
pub fn detect() -> std::io::Result<Hierarchies> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let places = std::fs::read_to_string("/proc/self/cgroup")?;
    Ok(find(&mounts, &places))
}

/// Finds the hierarchies in the text of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn find(mounts: &str, places: &str) -> Hierarchies {
    let mut all = Hierarchies { found: Vec::new(), missing: Vec::new() };
    for (controller, layer) in NEEDED {
        match directory(controller, mounts, places) {
            Some(directory) => all.found.push(CgroupHierarchy { controller: controller.to_owned(), directory }),
            None => all.missing.push((layer, lacking(controller, mounts))),
        }
    }
    all
}

fn lacking(controller: &str, mounts: &str) -> String {
    match mounts.lines().any(|line| line.contains(" - cgroup2 ")) {
        true => format!(
            "the cgroup v1 controller {controller} is not mounted; this host has cgroup v2, which is not supported yet"
        ),
        false => format!("the cgroup v1 controller {controller} is not mounted"),
    }
}

/// This process' own directory in the hierarchy of a controller.
fn directory(controller: &str, mounts: &str, places: &str) -> Option<String> {
    let has = |list: &str| list.split(',').any(|one| one == controller);
    let (root, mount_point) = mounts.lines().find_map(|line| {
        let (place, filesystem) = line.split_once(" - ")?;
        let mut kind = filesystem.split(' ');
        let (Some("cgroup"), Some(options)) = (kind.next(), kind.nth(1)) else { return None };
        let mut fields = place.split(' ').skip(3);
        has(options).then(|| fields.next().zip(fields.next())).flatten()
    })?;
    let place = places.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        has(fields.next()?).then(|| fields.next()).flatten()
    })?;
    let below = place.strip_prefix(root.trim_end_matches('/')).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    Some(format!("{mount_point}{}", below.unwrap_or("").trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(found: &Hierarchies) -> Vec<(&str, &str)> {
        found.found.iter().map(|one| (one.controller.as_str(), one.directory.as_str())).collect()
    }

    #[test]
    fn every_controller_of_its_own_is_found_where_this_process_is() {
        let mounts = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        let places = "8:pids:/\n4:memory:/a/b\n2:cpuacct:/\n1:cpu:/\n0::/\n";
        let found = find(mounts, places);
        assert_eq!(
            directories(&found),
            [
                ("memory", "/sys/fs/cgroup/memory/a/b"),
                ("pids", "/sys/fs/cgroup/pids"),
                ("cpu", "/sys/fs/cgroup/cpu"),
                ("cpuacct", "/sys/fs/cgroup/cpuacct")
            ]
        );
        assert_eq!(found.missing, []);
    }

    #[test]
    fn a_shared_hierarchy_serves_both_and_a_mount_of_a_part_starts_there() {
        let mounts = "1 2 0:3 /docker/x /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
        let found = find(mounts, "5:cpu,cpuacct:/docker/x/y\n");
        assert_eq!(
            directories(&found),
            [("cpu", "/sys/fs/cgroup/cpu,cpuacct/y"), ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct/y")]
        );
    }

    #[test]
    fn a_host_with_v2_only_lacks_the_layers_and_says_why() {
        let found = find("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/user.slice\n");
        let layers: Vec<&str> = found.missing.iter().map(|(layer, _)| *layer).collect();
        assert_eq!(layers, ["cgroup-memory", "cgroup-pids", "cgroup-cpu", "cgroup-cpu"]);
        assert!(found.missing[0].1.contains("cgroup v2"));
    }
}
