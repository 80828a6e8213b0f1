//! Where the leaves of this instance are made: `bullpen/INSTANCE/SERIAL` in each hierarchy.

use super::Leaf;
use super::accounts::{Cpu, Memory, Tasks, Unkept};
use super::directory::Directory;
use super::husks::Husks;
use super::pids::Pids;
use super::polling::{CountedCpu, POLLING, PolledMemory, RLIMIT, RlimitTasks, Tree};
use super::v1::{V1, V1Cpu, V1Memory};
use super::v2::{V2, V2Cpu, V2Memory};
use crate::capabilities::overriding;
use crate::step::{At, Failure, Step};
use forkserver::wire::{CgroupHierarchy, CgroupVersion, HostPlan, Substitute};
use leave_out::Part;
use rustix::io::Errno;
use std::rc::Rc;

/// Directory of all instances in every hierarchy.
const HOUSE: &str = "bullpen";

/// The hierarchies of this host, with the directories below which the leaves of this instance are made.
pub struct Hierarchies {
    instance: String,
    places: Vec<Place>,
    substitutes: Vec<Substitute>,
    husks: Husks,
}

struct Place {
    plan: CgroupHierarchy,
    hierarchy: Directory,
    parent: Directory,
    instance: Directory,
}

impl Hierarchies {
    /// Opens them, making this instance's directory in each. On failure nothing is left behind.
    pub fn open(plan: &HostPlan) -> Result<Hierarchies, Failure> {
        let mut hierarchies = Hierarchies {
            instance: plan.instance.clone(),
            places: Vec::new(),
            substitutes: plan.substitutes.clone(),
            husks: Husks::new(),
        };
        for hierarchy in &plan.cgroups {
            match Place::open(hierarchy, &plan.instance) {
                Ok(place) => hierarchies.places.push(place),
                Err(failure) => {
                    hierarchies.close();
                    sweep(hierarchy, &plan.instance);
                    return Err(failure.about(&hierarchy.directory));
                }
            }
        }
        Ok(hierarchies)
    }

    /// Makes the leaf `serial`. It must be new: a cgroup that was once killed may kill whatever enters it later.
    pub fn make_leaf(&self, serial: u64) -> Result<Leaf, Failure> {
        let reused = leave_out::is(Part::TrapLeafReused);
        let name = if reused { "0".to_owned() } else { serial.to_string() };
        let mut directories = Vec::new();
        for place in &self.places {
            match place.instance.make(&name, reused) {
                Ok(directory) => directories.push(Rc::new(directory)),
                Err(errno) => {
                    // What was made so far is empty: nobody has entered it.
                    let _ = self.places.iter().try_for_each(|place| place.instance.remove(&name));
                    return Err(Failure::new(Step::Leaf, errno.raw_os_error()));
                }
            }
        }
        Ok(self.furnish(name, directories))
    }

    /// Each resource is kept by the hierarchy that has its controller, or by what the operator accepts instead.
    fn furnish(&self, name: String, directories: Vec<Rc<Directory>>) -> Leaf {
        let all = || self.places.iter().zip(&directories);
        let of = |version| {
            all().filter(move |(place, _)| place.plan.version == version).map(|(_, directory)| directory.clone())
        };
        let with = |controller: &str| {
            all()
                .find(|(place, _)| place.has(controller))
                .map(|(place, directory)| (place.plan.version, directory.clone()))
        };
        let processes = Rc::new(Tree::default());
        let (v1, v2) = (of(CgroupVersion::V1).collect(), of(CgroupVersion::V2).next());
        let memory: Box<dyn Memory> = match with("memory") {
            Some((CgroupVersion::V1, directory)) => Box::new(V1Memory(directory)),
            Some((CgroupVersion::V2, directory)) => Box::new(V2Memory::new(directory)),
            None if self.accepts("cgroup-memory", POLLING) => Box::new(PolledMemory::of(processes.clone())),
            None => Box::new(Unkept),
        };
        let tasks: Box<dyn Tasks> = match with("pids") {
            Some((CgroupVersion::V1, directory)) => Box::new(Pids { directory, kept_by: V1 }),
            Some((CgroupVersion::V2, directory)) => Box::new(Pids { directory, kept_by: V2 }),
            None if self.accepts("cgroup-pids", RLIMIT) => Box::new(RlimitTasks::default()),
            None => Box::new(Unkept),
        };
        let cpu: Box<dyn Cpu> = match (with("cpu"), with("cpuacct")) {
            (Some((CgroupVersion::V2, directory)), _) => Box::new(V2Cpu(directory)),
            (Some((_, limit)), Some((_, usage))) => Box::new(V1Cpu { limit, usage }),
            _ if self.accepts("cgroup-cpu", POLLING) => Box::new(CountedCpu::of(processes.clone(), v2.clone())),
            _ => Box::new(Unkept),
        };
        Leaf { name, directories, v1, v2, processes, memory, tasks, cpu }
    }

    /// Checks that the text of `/proc/PID/cgroup` puts a process into this leaf, in every hierarchy that it has; else says which.
    pub fn check_inside(&self, leaf: &Leaf, groups: &str) -> Result<(), String> {
        let own = format!("/{HOUSE}/{}/{}", self.instance, leaf.name);
        let all = self.places.iter().flat_map(|place| match place.plan.version {
            CgroupVersion::V1 => place.plan.controllers.clone(),
            CgroupVersion::V2 => vec![String::new()],
        });
        let is_elsewhere = |controller: &String| !group_of(groups, controller).is_some_and(|path| path.ends_with(&own));
        all.into_iter().find(is_elsewhere).map_or(Ok(()), |controller| Err(format!("cgroup {controller}")))
    }

    fn accepts(&self, layer: &str, by: &str) -> bool {
        self.substitutes.iter().any(|one| one.layer == layer && one.by == by)
    }

    /// Says that nobody will enter a leaf any more, so that the kernel can forget it when it is removed.
    pub fn give_up_leaf(&self, leaf: &Leaf) -> Result<(), Errno> {
        if leaf.memory.residue()? > 0 && !self.husks.may_leave() { leaf.memory.release() } else { Ok(()) }
    }

    /// Removes a leaf; `EBUSY` for a moment after its last process died.
    pub fn remove_leaf(&self, leaf: &Leaf) -> Result<(), Errno> {
        self.places.iter().try_for_each(|place| place.instance.remove(&leaf.name))
    }

    /// Removes this instance's own directories, and the house when it is empty.
    pub fn close(&self) {
        for place in &self.places {
            // Whatever still lies here is named by instance: the worker's janitor takes it away at its next start.
            if place.parent.remove(&self.instance).is_ok() {
                let _ = overriding(|| place.hierarchy.remove(HOUSE));
            }
        }
    }
}

impl Place {
    fn open(plan: &CgroupHierarchy, instance: &str) -> Result<Place, Failure> {
        let hierarchy = Directory::open(&plan.directory).at(Step::Leaf)?;
        hand_down(&hierarchy, plan)?;
        let (parent, instance) = make_house(&hierarchy, plan, instance)?;
        instance.remove_empty();
        Ok(Place { plan: plan.clone(), hierarchy, parent, instance })
    }

    fn has(&self, controller: &str) -> bool {
        self.plan.controllers.iter().any(|one| one == controller)
    }
}

/// The house and this instance's directory in it. Another instance that closes meanwhile may take the empty house away.
fn make_house(
    hierarchy: &Directory,
    plan: &CgroupHierarchy,
    instance: &str,
) -> Result<(Directory, Directory), Failure> {
    /// Each try loses only to an instance that closes just then.
    const TRIES: usize = 100;
    let once = || {
        let house = overriding(|| hierarchy.make(HOUSE, true)).at(Step::Leaf)?;
        hand_down(&house, plan)?;
        let instance = house.make(instance, true).at(Step::Leaf)?;
        hand_down(&instance, plan)?;
        Ok((house, instance))
    };
    let is_gone = |made: &Result<_, Failure>| made.as_ref().is_err_and(|failure| GONE.contains(&failure.errno));
    let mut made = once();
    for _ in 1..TRIES {
        if !is_gone(&made) {
            break;
        }
        made = once();
    }
    made
}

/// How it shows that a directory was removed while we had it open: by path, in its files.
const GONE: [i32; 2] = [libc::ENOENT, libc::ENODEV];

/// On v2 a directory has the controllers that the one above it hands down, and it may then hold no process itself.
fn hand_down(directory: &Directory, plan: &CgroupHierarchy) -> Result<(), Failure> {
    if plan.version == CgroupVersion::V1 {
        return Ok(());
    }
    let handed = directory.read("cgroup.subtree_control").at(Step::Controllers)?;
    for controller in &plan.controllers {
        if !handed.split_whitespace().any(|one| one == controller) {
            directory.write("cgroup.subtree_control", &format!("+{controller}")).at(Step::Controllers)?;
        }
    }
    Ok(())
}

/// Takes away what a place that could not be opened was begun with.
fn sweep(plan: &CgroupHierarchy, instance: &str) {
    let Ok(hierarchy) = Directory::open(&plan.directory) else { return };
    if let Ok(parent) = Directory::open(&format!("{}/{HOUSE}", plan.directory)) {
        let _ = parent.remove(instance);
        let _ = overriding(|| hierarchy.remove(HOUSE));
    }
}

/// A process' group in the v1 hierarchy of a controller; in v2 for none.
fn group_of<'a>(groups: &'a str, controller: &str) -> Option<&'a str> {
    let mut lines = groups.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let (_, path) = lines.find(|(controllers, _)| controllers.split(',').any(|one| one == controller))?;
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::group_of;

    #[test]
    fn a_group_is_found_by_its_whole_controller() {
        let groups = "9:cpu,cpuacct:/a/bullpen/w/7\n4:pids:/b:c\n1:name=systemd:/d\n0::/e\n";
        let of = |controller| group_of(groups, controller);
        assert_eq!((of("cpuacct"), of("pids"), of("")), (Some("/a/bullpen/w/7"), Some("/b:c"), Some("/e")));
        assert_eq!((of("memory"), group_of("4:pids:/b\n", "")), (None, None));
    }
}
