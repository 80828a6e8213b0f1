//! Everything that a job may write: one tmpfs of its own, with `work`, `tmp` and `shm` in it.
//!
//! The forkserver (and, by a descriptor, the library) reaches it without a path: the job can't put a link in the way.

use crate::ids::Ids;
use crate::mounts::{self, WRITABLE};
use crate::step::{At, Failure, Step};
use leave_out::Part;
use rustix::fs::{AtFlags, Gid, Mode, Uid, chmodat, chownat, fchown, fstatfs, mkdirat};
use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_string, fspick};
use std::os::fd::{AsFd, OwnedFd};

/// The root of the file system and its three directories: inodes that aren't the job's.
const OWN_INODES: u64 = 4;
/// Size until the job's own limits are known: nothing is to be put there before.
const EMPTY: (u64, u64) = (4096, OWN_INODES);

pub struct Workspace {
    /// Detached; the sandbox attaches it. Dropped when it has.
    pub mount: Option<OwnedFd>,
    /// Its root, open for directory operations.
    pub root: OwnedFd,
}

/// How much of it is used up.
pub struct Fullness {
    pub disk: bool,
    pub inodes: bool,
}

impl Workspace {
    /// Makes it for a slot.
    pub fn make(ids: Ids) -> Result<Workspace, Failure> {
        let (size, inodes) = (EMPTY.0.to_string(), EMPTY.1.to_string());
        let options = [("size", &*size), ("nr_inodes", &*inodes), ("mode", "0700")];
        let mount = mounts::create("tmpfs", &options, WRITABLE).at(Step::Workspace)?;
        let root = mounts::open_root(&mount).at(Step::Workspace)?;
        for (name, mode) in [("work", 0o755), ("tmp", 0o1777), ("shm", 0o1777)] {
            make_directory(&root, name, mode, ids)?;
        }
        // Last: nobody but its owner can make anything in it then.
        fchown(&root, Some(Uid::from_raw(ids.uid)), Some(Gid::from_raw(ids.gid))).at(Step::Workspace)?;
        Ok(Workspace { mount: Some(mount), root })
    }

    /// Sets the job's limits and reads them back; says what was read.
    pub fn limit(&self, bytes: u64, inodes: u64) -> Result<String, Failure> {
        let bytes = if leave_out::is(Part::WorkspaceSize) { 1 << 36 } else { bytes };
        let inodes = if leave_out::is(Part::WorkspaceInodes) { 1 << 20 } else { inodes };
        let context = fspick(&self.root, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)
            .at(Step::WorkspaceLimit)?;
        fsconfig_set_string(&context, "size", bytes.to_string()).at(Step::WorkspaceLimit)?;
        fsconfig_set_string(&context, "nr_inodes", (inodes + OWN_INODES).to_string()).at(Step::WorkspaceLimit)?;
        fsconfig_reconfigure(&context).at(Step::WorkspaceLimit)?;
        let now = fstatfs(&self.root).at(Step::WorkspaceLimit)?;
        let page = now.f_bsize.unsigned_abs();
        if now.f_blocks != bytes.div_ceil(page) || now.f_files != inodes + OWN_INODES {
            return Err(Failure::new(Step::WorkspaceLimit, libc::ERANGE));
        }
        Ok(format!("{} bytes, {} inodes", now.f_blocks * page, now.f_files - OWN_INODES))
    }

    /// Is there room left for one page, for one file?
    pub fn fullness(&self) -> Result<Fullness, Failure> {
        let now = fstatfs(&self.root).at(Step::Evidence)?;
        Ok(Fullness { disk: now.f_bfree == 0, inodes: now.f_ffree == 0 })
    }
}

fn make_directory(root: impl AsFd, name: &str, mode: u32, ids: Ids) -> Result<(), Failure> {
    mkdirat(&root, name, Mode::from_raw_mode(0o700)).at(Step::Workspace)?;
    chmodat(&root, name, Mode::from_raw_mode(mode), AtFlags::empty()).at(Step::Workspace)?;
    chownat(&root, name, Some(Uid::from_raw(ids.uid)), Some(Gid::from_raw(ids.gid)), AtFlags::SYMLINK_NOFOLLOW)
        .at(Step::Workspace)
}
