//! A root file system of one sandbox's own: what was staged for all, and the host paths of its policy.
//!
//! The shared root can't hold the places for a policy's paths: its directories are everybody's. So a small file system takes its place,
//! with what the shared one has at the top, and with the places in it. In a granted tree nothing is ever made: a place there exists, and
//! is the very object that is mounted on it or hidden.

use super::open::object;
use super::resolve::Planned;
use super::{Found, Unmade};
use crate::mounts::{self, MASK, READ_ONLY, WRITABLE};
use crate::stage::Roots;
use crate::step::{At, Failure, Step};
use crate::sys::{mount_as, mount_setattr};
use crate::tree::Tree;
use forkserver::kernel::mountinfo::below;
use forkserver::wire::PathAccess;
use leave_out::Part;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, UnmountFlags, unmount};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

/// Where a root is put together, below the ground. No staged root can have this name.
const SITE: &str = ".site";
/// What hides a file, there as well.
const BLANK: &str = "/.blank";

/// A root under construction, attached to the ground as long as this lives.
pub struct Assembly<'a> {
    found: &'a Found,
    base: Tree,
    mount: OwnedFd,
    /// What hides a file.
    blank: OwnedFd,
    /// Directories that hide others and have places in them.
    masks: BTreeMap<String, (Tree, OwnedFd)>,
}

impl<'a> Assembly<'a> {
    /// Begins with what the staged root `name` has.
    pub fn begin(roots: &Roots, name: &str, found: &'a Found) -> Result<Assembly<'a>, Failure> {
        let mount = small("0755", WRITABLE)?;
        let site = roots.ground().directory(&format!("/{SITE}")).at(Step::HostPathRoot)?;
        mounts::attach_on(&mount, &site).at(Step::HostPathRoot)?;
        let base = Tree::at(mounts::open_root(&mount).at(Step::HostPathRoot)?);
        let assembly = Assembly { found, base, mount, blank: blank(roots.ground())?, masks: BTreeMap::new() };
        assembly.take_over(roots.staged(name)?)?;
        Ok(assembly)
    }

    /// Puts the planned mounts on it, parents first, and gives it away: read-only, detached.
    pub fn finish(mut self, planned: &[Planned]) -> Result<OwnedFd, Unmade> {
        for one in planned {
            let carries = planned.iter().any(|other| other.around.as_ref() == Some(&one.place));
            self.put(one, carries)?;
        }
        for (tree, mask) in self.masks.values() {
            fchmod(tree.root(), Mode::from_raw_mode(0o111)).at(Step::HostPathRoot)?;
            mount_setattr(mask, u64::from(MASK.bits()), 0, false).at(Step::HostPathRoot)?;
        }
        mount_setattr(&self.mount, u64::from(READ_ONLY.bits()), 0, false).at(Step::HostPathRoot)?;
        Ok(mounts::clone_tree(self.base.root(), ".").at(Step::HostPathRoot)?)
    }

    fn take_over(&self, staged: &OwnedFd) -> Result<(), Failure> {
        let at = Step::HostPathRoot;
        for entry in Dir::read_from(staged.as_fd()).at(at)? {
            let entry = entry.at(at)?;
            let name = entry.file_name().to_str().map_err(|_| Failure::new(at, libc::EILSEQ))?;
            let place = format!("/{name}");
            match entry.file_type() {
                _ if name == "." || name == ".." => {}
                FileType::Directory => {
                    let tree = mounts::clone_tree(staged, name).at(at)?;
                    mounts::attach_on(tree, self.base.directory(&place).at(at)?).at(at)?;
                }
                FileType::Symlink => {
                    let target = readlinkat(staged, name, Vec::new()).at(at)?;
                    let target = target.to_str().map_err(|_| Failure::new(at, libc::EILSEQ))?;
                    self.base.symlink(&place, target).at(at)?;
                }
                _ => {
                    let file = mounts::clone_tree(staged, name).at(at)?;
                    mounts::attach_on(file, self.base.file(&place, 0o444).at(at)?).at(at)?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, one: &Planned, carries: bool) -> Result<(), Failure> {
        if one.access == PathAccess::Denied && leave_out::is(Part::HostPathCover) {
            return Ok(());
        }
        let source = self.found.source(one)?;
        let place = self.place(one, &source)?;
        let mount = match one.access {
            PathAccess::Denied if !self.found.is_directory(one) => {
                let mount = mounts::clone_node(&self.blank).at(Step::HostPathRoot)?;
                mount_setattr(&mount, u64::from(MASK.bits()), 0, false).at(Step::HostPathRoot)?;
                mount
            }
            PathAccess::Denied if carries => small("0711", WRITABLE)?,
            PathAccess::Denied => small("0000", MASK)?,
            access => self.share(one, &source, access)?,
        };
        mounts::attach_on(&mount, &place).at(Step::HostPath)?;
        if one.access == PathAccess::Denied && carries {
            let tree = Tree::at(mounts::open_root(&mount).at(Step::HostPathRoot)?);
            self.masks.insert(one.place.clone(), (tree, mount));
        }
        Ok(())
    }

    /// A copy of the mount that `source` is in, from there on, with the attributes of its access. Its owner's files are the job's.
    fn share(&self, one: &Planned, source: &OwnedFd, access: PathAccess) -> Result<OwnedFd, Failure> {
        let mount = mounts::clone_node(source).at(Step::HostPath)?;
        let is_writable = access == PathAccess::Readwrite || leave_out::is(Part::HostPathReadonly);
        let attributes = if is_writable { WRITABLE } else { READ_ONLY };
        let attributes = u64::from(attributes.bits());
        match self.found.namespace(one) {
            Some(owner) => mount_as(&mount, attributes, owner).at(Step::HostPathOwner)?,
            None => mount_setattr(&mount, attributes, 0, false).at(Step::HostPath)?,
        }
        Ok(mount)
    }

    /// Where it goes. In our own directories the place is made. In a granted tree it must be the object that was looked up: anything else
    /// was moved there meanwhile.
    fn place(&self, one: &Planned, source: &OwnedFd) -> Result<OwnedFd, Failure> {
        let in_mask = one.around.as_ref().and_then(|around| Some((around, self.masks.get(around)?)));
        let (tree, way) = match (&one.around, in_mask) {
            (None, _) => (&self.base, one.place.clone()),
            (_, Some((around, (mask, _)))) => (mask, format!("/{}", below(&one.place, around).unwrap_or_default())),
            _ => return self.place_in_grant(one, source),
        };
        let made = match self.found.is_directory(one) {
            true => tree.directory(&way),
            false => tree.file(&way, 0o444),
        };
        made.at(Step::HostPathRoot)
    }

    fn place_in_grant(&self, one: &Planned, source: &OwnedFd) -> Result<OwnedFd, Failure> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let moved = |errno: Errno| Failure::new(Step::HostPath, errno.raw_os_error()).about("moved meanwhile");
        let place = openat2(self.base.root(), &one.place[1..], flags, Mode::empty(), resolve).map_err(moved)?;
        let same = object(&fstat(&place).at(Step::HostPath)?) == object(&fstat(source).at(Step::HostPath)?);
        if same || self.found.is_mount_point(&one.place) { Ok(place) } else { Err(moved(Errno::AGAIN)) }
    }
}

impl Drop for Assembly<'_> {
    fn drop(&mut self) {
        // The ground is the working directory. A site that stays is covered by the next one.
        let _ = unmount(SITE, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
    }
}

/// A file system for directories of our own.
fn small(mode: &str, attributes: MountAttrFlags) -> Result<OwnedFd, Failure> {
    mounts::create("tmpfs", &[("size", "1M"), ("mode", mode)], attributes).at(Step::HostPathRoot)
}

/// An empty file that nobody may open, on the ground: a mount can be copied in parts only where it is attached.
fn blank(ground: &Tree) -> Result<OwnedFd, Failure> {
    match ground.file(BLANK, 0) {
        Ok(_) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno).at(Step::HostPathRoot),
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(ground.root(), &BLANK[1..], flags, Mode::empty()).at(Step::HostPathRoot)
}
