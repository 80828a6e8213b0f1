//! Where in a v2 hierarchy groups with limits can be made: a directory that we may write to, that offers the controllers, and
//! that holds no process itself (only the root of the machine may).
//!
//! In this order:
//! 1. this process' own group, if it is the root of the machine's hierarchy;
//! 2. its own group, if the service manager has delegated it (systemd: `Delegate=yes`). Its processes move into `worker`;
//! 3. the nearest group above that holds no process;
//! 4. its own group after all (a container's root), as in 2.
//!
//! What is made below 2 and 4 is under the limits of the worker's own service or container; what is made below 3 is not.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat, getxattr};
use rustix::io::Errno;

use super::mounts::V2Place;

/// Where the worker's own processes go when they have to make room.
const WORKER: &str = "worker";
/// How often we look again for processes that were forked while others were moved.
const ROUNDS: usize = 100;
/// How systemd marks what it has delegated.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];

/// A place to make groups below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    pub directory: String,
    /// Those that it offers.
    pub controllers: Vec<String>,
}

impl Ground {
    pub fn offers(&self, controller: &str) -> bool {
        self.controllers.iter().any(|one| one == controller)
    }

    fn of(directory: &Path) -> Result<Ground, String> {
        let offered =
            fs::read_to_string(directory.join("cgroup.controllers")).map_err(|error| told(directory, &error))?;
        let controllers = offered.split_whitespace().map(str::to_owned).collect();
        Ok(Ground { directory: directory.to_string_lossy().into_owned(), controllers })
    }
}

/// Finds the ground, making room if it has to; the reason if there is none.
pub fn find(place: V2Place) -> Result<Ground, String> {
    let V2Place { top, own } = place;
    if is_root(&own) {
        return writable(&own).and_then(|()| Ground::of(&own));
    }
    if is_delegated(&own) {
        return make_room(&own);
    }
    let above = own.ancestors().skip(1).take_while(|group| group.starts_with(&top));
    match above.filter(|group| is_root(group) || is_empty(group)).find(|group| writable(group).is_ok()) {
        Some(group) => Ground::of(group),
        None => make_room(&own),
    }
}

/// Moves all processes of a group into one beneath it.
fn make_room(group: &Path) -> Result<Ground, String> {
    writable(group)?;
    let ground = Ground::of(group)?;
    move_all(group).map_err(|error| format!("{} could not be cleared of processes: {error}", group.display()))?;
    Ok(ground)
}

fn move_all(group: &Path) -> io::Result<()> {
    let to = group.join(WORKER);
    match fs::create_dir(&to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    for _ in 0..ROUNDS {
        let members = fs::read_to_string(group.join("cgroup.procs"))?;
        if members.is_empty() {
            return Ok(());
        }
        for member in members.lines() {
            match fs::write(to.join("cgroup.procs"), member) {
                // It has ended meanwhile.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => {}
                result => result?,
            }
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// Only the machine's own root has no type.
fn is_root(group: &Path) -> bool {
    !group.join("cgroup.type").exists()
}

fn is_empty(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.procs")).is_ok_and(|members| members.is_empty())
}

fn is_delegated(group: &Path) -> bool {
    let mut value = [0; 8];
    DELEGATED.iter().any(|name| getxattr(group, *name, &mut value[..]).is_ok_and(|length| &value[..length] == b"1"))
}

/// May groups be made below this one? (In v1 they need nothing of it.)
pub fn may_make_below(group: &str) -> Result<(), String> {
    accessat(CWD, group, Access::WRITE_OK, AtFlags::EACCESS).map_err(|errno| told(Path::new(group), &errno.into()))
}

fn writable(group: &Path) -> Result<(), String> {
    let may_write = |path: &Path| accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS);
    let files = ["cgroup.procs", "cgroup.subtree_control"];
    let all = may_write(group).and_then(|()| files.iter().try_for_each(|file| may_write(&group.join(file))));
    all.map_err(|errno| told(group, &errno.into()))
}

fn told(group: &Path, error: &io::Error) -> String {
    format!("{}: {error}", group.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A directory that looks like a v2 group, below a root.
    fn group(parent: &Path, name: &str, members: &str) -> PathBuf {
        let group = parent.join(name);
        fs::create_dir(&group).expect("a directory");
        for (file, text) in [
            ("cgroup.type", "domain\n"),
            ("cgroup.procs", members),
            ("cgroup.subtree_control", ""),
            ("cgroup.controllers", "memory pids\n"),
        ] {
            fs::write(group.join(file), text).expect("a file");
        }
        group
    }

    fn found(top: &Path, own: &Path) -> Result<PathBuf, String> {
        find(V2Place { top: top.to_owned(), own: own.to_owned() }).map(|ground| ground.directory.into())
    }

    #[test]
    fn the_nearest_group_above_without_processes_is_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = group(dir.path(), "top", "");
        let part = group(&top, "part", "");
        let busy = group(&part, "busy", "7\n");
        let own = group(&busy, "own", "8\n");
        assert_eq!(found(&top, &own), Ok(part));
        assert_eq!(fs::read_to_string(own.join("cgroup.procs")).expect("own"), "8\n", "nobody was moved");
    }

    #[test]
    fn the_root_is_taken_whatever_is_in_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let top = group(dir.path(), "top", "1\n2\n");
        fs::remove_file(top.join("cgroup.type")).expect("removed");
        assert_eq!(found(&top, &top), Ok(top));
    }

    #[test]
    fn nothing_above_what_is_mounted_is_looked_at() {
        let dir = tempfile::tempdir().expect("a directory");
        let outside = group(dir.path(), "outside", "");
        let top = group(&outside, "top", "9\n");
        // Files don't move processes: what would be asked of the kernel is the own group.
        let error = found(&top, &top).expect_err("not a real group");
        assert!(error.contains("top could not be cleared"), "{error}");
        assert_eq!(fs::read_to_string(top.join(WORKER).join("cgroup.procs")).expect("moved"), "9");
    }
}
