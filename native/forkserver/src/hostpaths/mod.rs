//! Host paths of a policy: found, judged, and put into a root file system of the sandbox's own.
//!
//! Only what lies below a directory of the operator's list can be given, and of it only regular files and directories, reached without
//! symbolic links and without leaving the file system that the directory is in (`open.rs`). What the policy says of several paths is made
//! one plan of mounts (`resolve.rs`), which is carried out on descriptors (`assemble.rs`).
//!
//! Who the job is there: the owner of the operator's directory, whose files it sees as its own, by a mount that maps the ids. If that
//! directory is root's (by user or group), the job is a stranger: it can read what everybody on the host can, and gets nothing to write.
//!
//! What is denied is hidden as it is when the job begins: a mount covers the file or directory that is there then. If somebody on the host
//! replaces it meanwhile, the new one isn't covered.

mod assemble;
mod open;
mod resolve;

use self::assemble::Assembly;
use self::open::Root;
use self::resolve::Planned;
pub use self::resolve::Refusal;
use crate::idmap;
use crate::stage::Roots;
use crate::step::{At, Failure, Step};
use forkserver::kernel::mountinfo::{self, MountEntry, below};
use forkserver::wire::{HostRoot, PathAccess, PathPlan, SandboxPlan};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// The operator's directories, each open or with the reason why not.
pub struct HostRoots(Vec<Result<Root, Failure>>);

/// Why there is no root file system with these paths.
pub enum Unmade {
    /// The policy's doing.
    Refused(Refusal),
    Failed(Failure),
}

/// What was found at the paths of one policy.
struct Found {
    entries: Vec<resolve::Entry>,
    /// What each entry is, open.
    nodes: Vec<OwnedFd>,
    /// For each entry the user namespace in which its root's owner is the job; `None` where the job is a stranger, or is
    /// the owner already.
    namespaces: Vec<Option<Rc<OwnedFd>>>,
    mount_points: Vec<String>,
}

/// A root file system with host paths in it, detached.
pub struct Given {
    pub root: OwnedFd,
    pub places: Places,
}

/// What was mounted where, parents first.
#[derive(Default)]
pub struct Places(Vec<(String, PathAccess)>);

impl HostRoots {
    /// Opens the operator's directories. One that can't be opened fails only what is asked of it.
    /// `as_user`: see [`Root::open`].
    pub fn open(plans: &[HostRoot], as_user: bool) -> Result<HostRoots, Failure> {
        let mounts = if plans.is_empty() { Vec::new() } else { table("self", Step::HostRoot)? };
        Ok(HostRoots(plans.iter().map(|plan| Root::open(plan, &mounts, as_user)).collect()))
    }

    fn get(&self, number: u32) -> Result<&Root, Failure> {
        let root = self.0.get(number as usize).ok_or(Failure::new(Step::Request, libc::ENOENT))?;
        root.as_ref().map_err(Clone::clone)
    }
}

/// Makes a sandbox's own root file system: the staged one that the plan names, with the plan's host paths for the slot's `uid`.
pub fn give(plan: &SandboxPlan, roots: &Roots, host_roots: &HostRoots, uid: u32) -> Result<Given, Unmade> {
    let (found, planned) = Found::look_up(&plan.paths, host_roots, uid)?;
    let root = Assembly::begin(roots, &plan.root, &found)?.finish(&planned)?;
    Ok(Given { root, places: Places(planned.into_iter().map(|one| (one.place, one.access)).collect()) })
}

impl Found {
    fn look_up(paths: &[PathPlan], host_roots: &HostRoots, uid: u32) -> Result<(Found, Vec<Planned>), Unmade> {
        let (mut entries, mut nodes, mut namespaces) = (Vec::new(), Vec::new(), Vec::new());
        let mut lent = BTreeMap::new();
        for (index, path) in (0..).zip(paths) {
            let root = host_roots.get(path.root)?;
            let Some((entry, node)) = root.look_up(index, path).map_err(|unopened| unopened.of(index))? else {
                continue;
            };
            if let (Some(owner), Entry::Vacant(place)) = (root.owner, lent.entry(path.root)) {
                place.insert(Rc::new(idmap::lend(owner, uid)?));
            }
            entries.push(entry);
            nodes.push(node);
            namespaces.push(lent.get(&path.root).cloned());
        }
        let mount_points = table("self", Step::HostPath)?.into_iter().map(|mount| mount.place).collect::<Vec<_>>();
        let (entries, planned) = resolve::resolve(entries, &mount_points).map_err(Unmade::Refused)?;
        Ok((Found { entries, nodes, namespaces, mount_points }, planned))
    }

    /// What is to be mounted, open.
    fn source(&self, one: &Planned) -> Result<OwnedFd, Failure> {
        let node = &self.nodes[one.entry];
        match &*one.below {
            "" => node.try_clone().at(Step::HostPath),
            way => open::open_below(node, way)
                .map_err(|errno| Failure::new(Step::HostPath, errno.raw_os_error()).about(way)),
        }
    }

    fn namespace(&self, one: &Planned) -> Option<&OwnedFd> {
        self.namespaces[one.entry].as_deref()
    }

    fn is_directory(&self, one: &Planned) -> bool {
        !one.below.is_empty() || self.entries[one.entry].is_directory
    }

    fn is_mount_point(&self, place: &str) -> bool {
        self.mount_points.iter().any(|point| point == place)
    }
}

impl Places {
    /// The trees and files that can be written, outermost only.
    pub fn writable(&self) -> Vec<String> {
        let is_writable = |(_, access): &&(String, PathAccess)| *access == PathAccess::Readwrite;
        let mut outermost: Vec<String> = Vec::new();
        for (place, _) in self.0.iter().filter(is_writable) {
            if outermost.iter().all(|above| below(place, above).is_none()) {
                outermost.push(place.clone());
            }
        }
        outermost
    }

    /// Are they among the mounts of a process as they are to be?
    pub fn check(&self, mounts: &[MountEntry]) -> Result<(), Failure> {
        let is_as_planned = |(place, access): &(String, PathAccess)| {
            let top = mounts.iter().rfind(|mount| mount.place == *place);
            top.is_some_and(|mount| mount.is_read_only == (*access != PathAccess::Readwrite))
        };
        match self.0.iter().all(is_as_planned) {
            true => Ok(()),
            false => Err(Failure::new(Step::HostPathCheck, libc::EPROTO)),
        }
    }
}

fn table(process: &str, step: Step) -> Result<Vec<MountEntry>, Failure> {
    mountinfo::read(process).at(step)
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Unmade {
        Unmade::Failed(failure)
    }
}
