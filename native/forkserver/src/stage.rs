//! Root file systems, made once from their plans and cloned for every sandbox.
//!
//! A root is a small tmpfs (directories, links, generated files) with the host's directories bound beneath it, all of it read-only.
//! It lives in the forkserver's own mount namespace: the host sees an empty directory.

use crate::copy::copy_from_host;
use crate::mounts::{self, DEVICE, READ_ONLY, WRITABLE};
use crate::step::{At, Failure, Step};
use crate::sys::mount_setattr;
use crate::tree::{Tree, device_number};
use forkserver::wire::{BindPlan, HostPlan, RootPlan};
use leave_out::Part;
use rustix::fs::{CWD, Mode, OFlags, mkdir, openat, rmdir};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{chdir, fchdir};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;

/// The only devices of a sandbox, with their numbers: anything else at that path is refused.
const DEVICES: [(&str, (u32, u32)); 5] =
    [("null", (1, 3)), ("zero", (1, 5)), ("full", (1, 7)), ("random", (1, 8)), ("urandom", (1, 9))];
/// Links that programs expect in `/dev`.
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];
/// Where a sandbox mounts something of its own.
const MOUNT_POINTS: [&str; 4] = ["/proc", "/work", "/tmp", "/dev/shm"];

/// The staged roots by name.
pub struct Roots {
    /// The forkserver's working directory, in a file system of its own.
    ground: Tree,
    /// Where that is mounted.
    place: String,
    staged: BTreeMap<String, OwnedFd>,
}

impl Roots {
    /// Stages all roots of the plan on its directory.
    pub fn stage(plan: &HostPlan) -> Result<Roots, Failure> {
        match mkdir(&*plan.stage_dir, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(about(Step::StageRoot, errno, &plan.stage_dir)),
        }
        let ground = mounts::create("tmpfs", &[("size", "1M"), ("mode", "0700")], WRITABLE).at(Step::StageRoot)?;
        mounts::attach(&ground, CWD, &plan.stage_dir)
            .map_err(|errno| about(Step::StageRoot, errno, &plan.stage_dir))?;
        let ground = mounts::open_root(&ground).at(Step::StageRoot)?;
        // Where every sandbox, a clone of this process, attaches its root for a moment.
        fchdir(&ground).at(Step::StageRoot)?;
        let ground = Tree::at(ground);
        let mut staged = BTreeMap::new();
        for root in &plan.roots {
            if !is_plain_name(&root.name) || staged.contains_key(&root.name) {
                return Err(Failure::new(Step::StageRoot, libc::EINVAL).about(&root.name));
            }
            staged.insert(root.name.clone(), stage_root(&ground, root)?);
        }
        Ok(Roots { ground, place: plan.stage_dir.clone(), staged })
    }

    /// Removes the directory. Where it stays, with its instance's name, the worker's janitor takes it away at its next start.
    pub fn close(&self) {
        let _ =
            chdir("/").and_then(|()| unmount(&*self.place, UnmountFlags::DETACH)).and_then(|()| rmdir(&*self.place));
    }

    /// A detached clone of one root, for one sandbox.
    pub fn clone_root(&self, name: &str) -> Result<OwnedFd, Failure> {
        mounts::clone_tree(self.staged(name)?, ".").at(Step::CloneTree)
    }

    /// One root, as it was staged.
    pub fn staged(&self, name: &str) -> Result<&OwnedFd, Failure> {
        self.staged.get(name).ok_or_else(|| Failure::new(Step::CloneTree, libc::ENOENT).about(name))
    }

    /// Where there is room to build.
    pub fn ground(&self) -> &Tree {
        &self.ground
    }
}

fn stage_root(ground: &Tree, plan: &RootPlan) -> Result<OwnedFd, Failure> {
    let base = mounts::create("tmpfs", &[("size", "256M"), ("mode", "0755")], WRITABLE).at(Step::StageRoot)?;
    let place = ground.directory(&format!("/{}", plan.name)).at(Step::StageRoot)?;
    mounts::attach_on(&base, &place).at(Step::StageRoot)?;
    let tree = Tree::at(mounts::open_root(&base).at(Step::StageRoot)?);
    write_entries(&tree, plan)?;
    // The base is locked before anything is bound beneath it: each mount then carries the attributes that it was given.
    make_device_points(&tree)?;
    let binds = plan.binds.iter().map(|bind| prepare_bind(&tree, bind)).collect::<Result<Vec<_>, _>>()?;
    mount_setattr(&base, u64::from(READ_ONLY.bits()), 0, false).at(Step::StageLock)?;
    for (source, target) in &binds {
        mounts::attach_on(source, target).at(Step::StageBind)?;
    }
    bind_devices(&tree)?;
    tree.root().try_clone().at(Step::StageRoot)
}

fn write_entries(tree: &Tree, plan: &RootPlan) -> Result<(), Failure> {
    for (path, target) in &plan.symlinks {
        tree.symlink(path, target).map_err(|errno| about(Step::StageRoot, errno, path))?;
    }
    for (path, text) in &plan.files {
        let file = tree.file(path, 0o644).map_err(|errno| about(Step::StageRoot, errno, path))?;
        std::fs::File::from(file).write_all(text.as_bytes()).at(Step::StageRoot)?;
    }
    for path in plan.copies.iter().filter(|_| !leave_out::is(Part::TrapEtcMissing)) {
        copy_from_host(tree, path).map_err(|errno| about(Step::StageCopy, errno, path))?;
    }
    for path in MOUNT_POINTS {
        tree.directory(path).map_err(|errno| about(Step::StageRoot, errno, path))?;
    }
    Ok(())
}

/// A read-only clone of the source and the open directory it goes to.
fn prepare_bind(tree: &Tree, bind: &BindPlan) -> Result<(OwnedFd, OwnedFd), Failure> {
    let at = |errno| about(Step::StageBind, errno, &bind.source);
    let directory = mounts::open_directory(&bind.source).map_err(at)?;
    let source = mounts::clone_tree(&directory, ".").map_err(at)?;
    mount_setattr(&source, u64::from(READ_ONLY.bits()), 0, true).map_err(at)?;
    let target = tree.directory(&bind.target).map_err(|errno| about(Step::StageBind, errno, &bind.target))?;
    Ok((source, target))
}

fn make_device_points(tree: &Tree) -> Result<(), Failure> {
    for (name, _) in DEVICES {
        tree.file(&format!("/dev/{name}"), 0o444).at(Step::StageDevice)?;
    }
    for (path, target) in DEVICE_LINKS {
        tree.symlink(path, target).at(Step::StageDevice)?;
    }
    Ok(())
}

fn bind_devices(tree: &Tree) -> Result<(), Failure> {
    for (name, number) in DEVICES {
        let path = format!("/dev/{name}");
        let at = |errno| about(Step::StageDevice, errno, &path);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let node = openat(CWD, &path, flags, Mode::empty()).map_err(at)?;
        if device_number(&node).map_err(at)? != Some(number) && !leave_out::is(Part::DeviceNumber) {
            return Err(Failure::new(Step::StageDevice, libc::ENODEV).about(path));
        }
        let source = mounts::clone_node(&node).map_err(at)?;
        mount_setattr(&source, u64::from(DEVICE.bits()), 0, false).map_err(at)?;
        mounts::attach(&source, tree.root(), &path[1..]).map_err(at)?;
    }
    Ok(())
}

fn about(step: Step, errno: rustix::io::Errno, what: &str) -> Failure {
    Failure::new(step, errno.raw_os_error()).about(what)
}

fn is_plain_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
