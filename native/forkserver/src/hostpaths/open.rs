//! Opening what a policy names: below an operator's directory that is open, never through a symbolic link or into another file system.

use super::resolve::{Entry, Location, Refusal};
use crate::step::{At, Failure, Step};
use crate::tree::is_normal;
use forkserver::kernel::mountinfo::{MountEntry, below, join};
use forkserver::wire::{HostRoot, PathAccess, PathPlan, PathRule};
use leave_out::Part;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, StatxFlags, fstat, openat, openat2, statat, statx,
};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

/// File systems that hold files and nothing else, on this machine: a job's directory is looked at by the one thread that keeps every
/// job's time, which must not wait for a network or for a program.
const KINDS: [&str; 13] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "zfs", "tmpfs", "overlay", "erofs", "squashfs",
    "iso9660",
];
/// Most entries of a denied directory that are looked at.
const MAX_ENTRIES: usize = 4096;
/// Deepest directory in it.
const MAX_DEPTH: usize = 32;

/// A directory of the operator's list, open.
pub struct Root {
    path: String,
    dir: OwnedFd,
    location: Location,
    /// Whose it is, if the job is somebody else who has to be shown as its owner.
    pub owner: Option<(u32, u32)>,
}

/// Why something could not be opened.
pub enum Unopened {
    Refused(PathRule),
    Failed(Failure),
}

impl Root {
    /// `as_user`: jobs have the only id that we have, an ordinary user's, and are its owner without being shown as one.
    pub fn open(plan: &HostRoot, mounts: &[MountEntry], as_user: bool) -> Result<Root, Failure> {
        let failed = |errno: i32| Failure::new(Step::HostRoot, errno).about(&plan.path);
        let at = |errno: Errno| failed(errno.raw_os_error());
        if !is_normal(&plan.path) {
            return Err(failed(libc::EINVAL));
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let dir = openat2(CWD, &*plan.path, PATH | OFlags::DIRECTORY, Mode::empty(), resolve).map_err(at)?;
        let id = statx(&dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map_err(at)?.stx_mnt_id;
        let mount = mounts.iter().find(|mount| mount.id == id).ok_or(failed(libc::ENODEV))?;
        if !KINDS.contains(&&*mount.kind) {
            return Err(failed(libc::EOPNOTSUPP));
        }
        let way = below(&plan.path, &mount.place).ok_or(failed(libc::EXDEV))?;
        let location = Location { device: mount.device.clone(), path: join(&mount.root, way) };
        let stat = fstat(&dir).map_err(at)?;
        let by_root = stat.st_uid == 0 || stat.st_gid == 0;
        // The user is 0 here, and whoever isn't the user is nobody we know.
        let may_write = if as_user { stat.st_uid == 0 } else { !by_root };
        if plan.access == PathAccess::Readwrite && !may_write {
            let step = if as_user { Step::HostRootOfOthers } else { Step::HostRoot };
            return Err(Failure::new(step, libc::EPERM).about(&plan.path));
        }
        let owner = (!as_user && !by_root).then_some((stat.st_uid, stat.st_gid));
        Ok(Root { path: plan.path.clone(), dir, location, owner })
    }

    /// Opens a path of the policy; `None` for one that is to be denied and isn't there.
    pub fn look_up(&self, index: u32, plan: &PathPlan) -> Result<Option<(Entry, OwnedFd)>, Unopened> {
        let (place, is_denied) = (join(&self.path, &plan.below), plan.access == PathAccess::Denied);
        if !is_normal(&place) {
            return Err(Failure::new(Step::Request, libc::EINVAL).about(place).into());
        }
        let node = match open_below(&self.dir, &plan.below) {
            Ok(node) => node,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) if is_denied => return Ok(None),
            Err(errno) => return Err(unopened(errno, &plan.below)),
        };
        let stat = fstat(&node).at(Step::HostPath)?;
        let is_directory = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => true,
            FileType::RegularFile => false,
            _ if leave_out::is(Part::HostPathKinds) => false,
            _ => return Err(Unopened::Refused(PathRule::FileType)),
        };
        if is_denied && is_directory {
            let dir = openat(&node, ".", READ, Mode::empty()).at(Step::HostPath)?;
            search_links(&dir, stat.st_dev, MAX_DEPTH, &mut { MAX_ENTRIES })?;
        }
        let entry = Entry {
            index,
            place,
            access: plan.access,
            location: Location { path: join(&self.location.path, &plan.below), ..self.location.clone() },
            object: object(&stat),
            is_directory,
            links: stat.st_nlink,
        };
        Ok(Some((entry, node)))
    }
}

const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What `way` leads to from `dir`, as a path only; `dir` itself when it is empty.
pub fn open_below(dir: impl AsFd, way: &str) -> Result<OwnedFd, Errno> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let resolve = if leave_out::is(Part::HostPathLinks) { ResolveFlags::empty() } else { resolve };
    openat2(dir, if way.is_empty() { "." } else { way }, PATH, Mode::empty(), resolve)
}

/// What tells a file or directory from all others.
pub fn object(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn unopened(errno: Errno, way: &str) -> Unopened {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => Unopened::Refused(PathRule::Missing),
        Errno::LOOP => Unopened::Refused(PathRule::Symlink),
        Errno::XDEV => Unopened::Refused(PathRule::OtherFilesystem),
        errno => Unopened::Failed(Failure::new(Step::HostPath, errno.raw_os_error()).about(way)),
    }
}

/// Looks for a file that has another name, by which it could be reached although the directory is hidden.
fn search_links(dir: &OwnedFd, device: u64, depth: usize, left: &mut usize) -> Result<(), Unopened> {
    for entry in Dir::read_from(dir.as_fd()).at(Step::HostPath)? {
        let entry = entry.at(Step::HostPath)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        *left = left.checked_sub(1).ok_or(Unopened::Refused(PathRule::TooLarge))?;
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => continue,
            stat => stat.at(Step::HostPath)?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if stat.st_dev != device => {}
            FileType::Directory => {
                let depth = depth.checked_sub(1).ok_or(Unopened::Refused(PathRule::TooLarge))?;
                search_links(&openat(dir, name, READ, Mode::empty()).at(Step::HostPath)?, device, depth, left)?;
            }
            _ if stat.st_nlink > 1 && !leave_out::is(Part::HostPathHardLinks) => {
                return Err(Unopened::Refused(PathRule::HardLink));
            }
            _ => {}
        }
    }
    Ok(())
}

impl From<Failure> for Unopened {
    fn from(failure: Failure) -> Unopened {
        Unopened::Failed(failure)
    }
}

impl Unopened {
    /// With the path that it is about.
    pub fn of(self, index: u32) -> super::Unmade {
        match self {
            Unopened::Refused(rule) => super::Unmade::Refused(Refusal { index, rule }),
            Unopened::Failed(failure) => super::Unmade::Failed(failure),
        }
    }
}
