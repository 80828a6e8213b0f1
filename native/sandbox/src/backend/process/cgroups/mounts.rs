//! Where cgroup hierarchies are mounted, and where this process is in them: `/proc/self/mountinfo` and `/proc/self/cgroup`.

use std::io;
use std::path::{Path, PathBuf};

/// Both texts, read.
pub struct Mounts {
    mounts: Vec<Mount>,
    places: Vec<Place>,
}

struct Mount {
    is_v2: bool,
    /// Which part of the hierarchy is mounted.
    root: String,
    point: String,
    /// Of v1: its controllers, among other options.
    options: Vec<String>,
}

struct Place {
    /// None for v2.
    controllers: Vec<String>,
    path: String,
}

/// This process' place in the v2 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2Place {
    /// The topmost group that can be seen.
    pub top: PathBuf,
    pub own: PathBuf,
}

impl Mounts {
    pub fn read() -> io::Result<Mounts> {
        let read = std::fs::read_to_string;
        Ok(Mounts::parse(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?))
    }

    pub fn parse(mountinfo: &str, cgroup: &str) -> Mounts {
        Mounts {
            mounts: mountinfo.lines().filter_map(Mount::parse).collect(),
            places: cgroup.lines().filter_map(Place::parse).collect(),
        }
    }

    /// This process' directory in the v1 hierarchy of a controller.
    pub fn v1(&self, controller: &str) -> Option<String> {
        let has = |list: &[String]| list.iter().any(|one| one == controller);
        let mount = self.mounts.iter().find(|mount| !mount.is_v2 && has(&mount.options))?;
        let place = self.places.iter().find(|place| has(&place.controllers))?;
        Some(mount.directory(place))
    }

    /// This process' place in v2.
    pub fn v2(&self) -> Option<V2Place> {
        let mount = self.mounts.iter().find(|mount| mount.is_v2)?;
        let place = self.places.iter().find(|place| place.controllers.is_empty())?;
        Some(V2Place { top: Path::new(&mount.point).to_owned(), own: mount.directory(place).into() })
    }
}

impl Mount {
    fn parse(line: &str) -> Option<Mount> {
        let (place, filesystem) = line.split_once(" - ")?;
        let mut kind = filesystem.split(' ');
        let is_v2 = match kind.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        let options = kind.nth(1)?.split(',').map(str::to_owned).collect();
        let mut fields = place.split(' ').skip(3);
        Some(Mount { is_v2, root: fields.next()?.to_owned(), point: fields.next()?.to_owned(), options })
    }

    /// The directory of a place; the mount itself, if that place is outside of what is mounted.
    fn directory(&self, place: &Place) -> String {
        let below = place.path.strip_prefix(self.root.trim_end_matches('/'));
        let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or("");
        format!("{}{}", self.point, below.trim_end_matches('/'))
    }
}

impl Place {
    fn parse(line: &str) -> Option<Place> {
        let mut fields = line.splitn(3, ':').skip(1);
        let controllers = fields.next()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Place { controllers, path: fields.next()?.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_of_a_part_starts_there() {
        let mounts =
            "1 2 0:3 /docker/x /c/cpu rw - cgroup cgroup rw,cpu\n3 2 0:3 /docker/x /c/u rw - cgroup2 cgroup rw\n";
        let mounts = Mounts::parse(mounts, "5:cpu:/docker/x/y\n0::/docker/x/z\n");
        assert_eq!(mounts.v1("cpu").as_deref(), Some("/c/cpu/y"));
        assert_eq!(mounts.v2(), Some(V2Place { top: "/c/u".into(), own: "/c/u/z".into() }));
        assert_eq!(mounts.v1("memory"), None);
    }

    #[test]
    fn a_named_hierarchy_is_neither() {
        let mounts = Mounts::parse("1 2 0:3 / /c/systemd rw - cgroup cgroup rw,name=systemd\n", "9:name=systemd:/\n");
        assert_eq!((mounts.v1("memory"), mounts.v2()), (None, None));
    }
}
