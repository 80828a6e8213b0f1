//! cgroup v1: a fresh leaf in each of four hierarchies for every sandbox, never used twice.

use crate::step::{At, Failure, Step};
use forkserver::wire::HostPlan;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::{Errno, read, write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What a sandbox's leaf is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Memory,
    Pids,
    Cpu,
    CpuAcct,
}

const CONTROLLERS: [(Controller, &str); 4] = [
    (Controller::Memory, "memory"),
    (Controller::Pids, "pids"),
    (Controller::Cpu, "cpu"),
    (Controller::CpuAcct, "cpuacct"),
];
/// Directory of all instances in every hierarchy.
const HOUSE: &str = "bullpen";

/// The hierarchies of this host, with the directories below which the leaves of this instance are made.
pub struct Hierarchies {
    instance: String,
    /// Distinct directories: two controllers may share one.
    places: Vec<Place>,
    /// For each of [`CONTROLLERS`] its place.
    of: [usize; 4],
}

struct Place {
    path: String,
    parent: OwnedFd,
    instance: OwnedFd,
}

impl Hierarchies {
    /// Opens them, making this instance's directory in each. On failure nothing is left behind.
    pub fn open(plan: &HostPlan) -> Result<Hierarchies, Failure> {
        let mut hierarchies = Hierarchies { instance: plan.instance.clone(), places: Vec::new(), of: [0; 4] };
        match hierarchies.find_all(plan) {
            Ok(()) => Ok(hierarchies),
            Err(failure) => {
                hierarchies.close();
                Err(failure)
            }
        }
    }

    fn find_all(&mut self, plan: &HostPlan) -> Result<(), Failure> {
        for (index, (_, name)) in CONTROLLERS.iter().enumerate() {
            let Some(listed) = plan.cgroups.iter().find(|cgroup| cgroup.controller == *name) else {
                return Err(Failure::new(Step::Leaf, libc::ENOENT).about(*name));
            };
            self.of[index] = self.place(&listed.directory).map_err(|failure| failure.about(&listed.directory))?;
        }
        Ok(())
    }

    /// The index of a directory's place, opened (and made) when it is new.
    fn place(&mut self, path: &str) -> Result<usize, Failure> {
        if let Some(known) = self.places.iter().position(|place| place.path == path) {
            return Ok(known);
        }
        let hierarchy = open_dir(CWD, path).at(Step::Leaf)?;
        let (parent, instance) = make_house(&hierarchy, &self.instance).at(Step::Leaf)?;
        self.places.push(Place { path: path.to_owned(), parent, instance });
        Ok(self.places.len() - 1)
    }

    /// Makes the leaf `serial`. It must be new: a cgroup that was once killed may kill whatever enters it later.
    pub fn make_leaf(&self, serial: u64) -> Result<Leaf, Failure> {
        let mut leaf = Leaf { name: serial.to_string(), dirs: Vec::new(), of: self.of };
        for place in &self.places {
            match make_dir(&place.instance, &leaf.name, false) {
                Ok(dir) => leaf.dirs.push(dir),
                Err(errno) => {
                    // What was made so far is empty: nobody has entered it.
                    let _ = self.remove_leaf(&leaf);
                    return Err(Failure::new(Step::Leaf, errno.raw_os_error()));
                }
            }
        }
        Ok(leaf)
    }

    /// Removes a leaf; `EBUSY` for a moment after its last process died.
    pub fn remove_leaf(&self, leaf: &Leaf) -> Result<(), Errno> {
        for place in &self.places {
            remove(&place.instance, &leaf.name)?;
        }
        Ok(())
    }

    /// Removes this instance's own directories, and the house when it is empty.
    pub fn close(&self) {
        for place in &self.places {
            // Whatever still lies here is named by instance: the worker's janitor takes it away at its next start.
            if remove(&place.parent, &self.instance).is_ok()
                && let Ok(hierarchy) = open_dir(CWD, &place.path)
            {
                let _ = remove(&hierarchy, HOUSE);
            }
        }
    }
}

fn open_dir(at: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn make_dir(at: impl AsFd, name: &str, may_exist: bool) -> Result<OwnedFd, Errno> {
    match mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) if may_exist => {}
        result => result?,
    }
    open_dir(at, name)
}

/// The house and this instance's directory in it. Another instance that closes meanwhile may take the empty house away.
fn make_house(hierarchy: &OwnedFd, instance: &str) -> Result<(OwnedFd, OwnedFd), Errno> {
    /// Each try loses only to an instance that closes just then.
    const TRIES: usize = 100;
    let once = || {
        let house = make_dir(hierarchy, HOUSE, true)?;
        let instance = make_dir(&house, instance, true)?;
        Ok((house, instance))
    };
    let mut made = once();
    for _ in 1..TRIES {
        match made {
            Err(Errno::NOENT) => made = once(),
            _ => break,
        }
    }
    made
}

fn remove(at: impl AsFd, name: &str) -> Result<(), Errno> {
    match unlinkat(at, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// One sandbox's cgroup in all hierarchies.
pub struct Leaf {
    name: String,
    dirs: Vec<OwnedFd>,
    of: [usize; 4],
}

impl Leaf {
    fn dir(&self, controller: Controller) -> &OwnedFd {
        &self.dirs[self.of[controller as usize]]
    }

    /// Descriptors through which a process enters by itself ([`enter`]), whatever its rights are by then.
    pub fn doors(&self) -> Result<Vec<OwnedFd>, Errno> {
        let open_door = |dir| openat(dir, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty());
        self.dirs.iter().map(open_door).collect()
    }

    /// The processes in it, by the forkserver's numbers.
    pub fn members(&self) -> Result<Vec<i32>, Errno> {
        let mut members = Vec::new();
        for dir in &self.dirs {
            for line in read_file(dir, "cgroup.procs")?.lines() {
                members.push(line.parse().map_err(|_| Errno::BADMSG)?);
            }
        }
        members.sort_unstable();
        members.dedup();
        Ok(members)
    }

    /// An eventfd that fires when the kernel is about to kill for memory in this leaf.
    pub fn watch_oom(&self) -> Result<OwnedFd, Errno> {
        let memory = self.dir(Controller::Memory);
        let control = openat(memory, "memory.oom_control", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        write_file(memory, "cgroup.event_control", &format!("{} {}", event.as_raw_fd(), control.as_raw_fd()))?;
        Ok(event)
    }

    pub fn write(&self, controller: Controller, file: &str, value: &str) -> Result<(), Errno> {
        write_file(self.dir(controller), file, value)
    }

    pub fn read(&self, controller: Controller, file: &str) -> Result<String, Errno> {
        read_file(self.dir(controller), file)
    }

    /// A file that holds one number.
    pub fn number(&self, controller: Controller, file: &str) -> Result<u64, Errno> {
        self.read(controller, file)?.trim().parse().map_err(|_| Errno::BADMSG)
    }

    /// The number behind `key` in a file of `key number` lines.
    pub fn field(&self, controller: Controller, file: &str, key: &str) -> Result<u64, Errno> {
        field(&self.read(controller, file)?, key).ok_or(Errno::BADMSG)
    }
}

/// Moves this process in. Everything that it forks is born there.
///
/// On an idle machine the kernel takes 5–19 ms for it: it is the sandbox that waits, not the forkserver and its deadlines.
pub fn enter(doors: &[OwnedFd]) -> Result<(), Errno> {
    doors.iter().try_for_each(|door| write(door, b"0").map(drop))
}

fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn write_file(dir: impl AsFd, file: &str, value: &str) -> Result<(), Errno> {
    let file = openat(dir, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    // The kernel takes such a value whole or not at all.
    write(file, value.as_bytes()).map(drop)
}

fn read_file(dir: impl AsFd, file: &str) -> Result<String, Errno> {
    let file = openat(dir, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::with_capacity(512);
    let mut chunk = [0u8; 4096];
    loop {
        match read(&file, &mut chunk)? {
            0 => return String::from_utf8(bytes).map_err(|_| Errno::BADMSG),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_found_by_its_whole_key() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "oom"), None);
        assert_eq!(field("max 12\n", "max"), Some(12));
        assert_eq!(field("", "max"), None);
    }
}
