//! From a fresh clone to the closed place in which a job will run: the order of confinement, as init walks it.

use crate::clock::Stopwatch;
use crate::idmap::INSIDE;
use crate::mounts::{self, PROC, READ_ONLY, WRITABLE};
use crate::step::{At, Failure, Step};
use crate::sys::{mount_setattr, raise_loopback};
use forkserver::wire::Stage;
use leave_out::Part;
use rustix::fs::{CWD, Mode, OFlags, open, openat};
use rustix::io::{Errno, write};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{
    DumpableBehavior, Gid, Signal, Uid, chdir, fchdir, getcwd, pivot_root, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::system::sethostname;
use rustix::thread::{UnshareFlags, set_thread_res_gid, set_thread_res_uid, unshare_unsafe};
use std::os::fd::{AsFd, OwnedFd};

/// How many namespaces of each kind a user may have in the sandbox: one user and one mount namespace are still to come
/// ([`lock_mounts`]). The mount namespace that is there counts too, where whoever cloned it has the sandbox's own id. (And so does a
/// detached mount: earlier, this would refuse our own.)
const NAMESPACE_LIMITS: [(&str, &str); 8] = [
    ("user", "1"),
    ("mnt", "2"),
    ("cgroup", "0"),
    ("pid", "0"),
    ("net", "0"),
    ("ipc", "0"),
    ("uts", "0"),
    ("time", "0"),
];
/// And in the nested ones no more at all: `ENOSPC`.
const NESTED_LIMITS: [(&str, &str); 2] = [("user", "0"), ("mnt", "0")];
const HOST_NAME: &[u8] = b"bullpen";

/// What the forkserver prepared for this sandbox.
pub struct Materials {
    /// Detached clone of the staged root file system.
    pub root: OwnedFd,
    /// Detached workspace.
    pub workspace: OwnedFd,
    pub loopback: bool,
}

/// Builds the place around this process. On return it has every capability in a user namespace of its own, which owns nothing
/// but a locked copy of the mounts.
pub fn enter(materials: Materials) -> Result<Vec<Stage>, Failure> {
    let mut watch = Stopwatch::start();
    switch_ids()?;
    let old_proc = OldProc::at("/proc")?;
    watch.lap("init-ids");
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::PrivateMounts)?;
    attach_root(&materials)?;
    attach_workspace(&materials.workspace)?;
    drop(materials.workspace);
    attach_proc()?;
    let old_proc = if leave_out::is(Part::TrapNamespaceLimitsLate) { OldProc::at("proc")? } else { old_proc };
    watch.lap("init-mounts");
    pivot()?;
    if !leave_out::is(Part::HostName) {
        sethostname(HOST_NAME).at(Step::HostName)?;
    }
    if materials.loopback {
        raise_loopback().at(Step::Loopback)?;
    }
    if !leave_out::is(Part::CgroupNamespace) {
        // SAFETY: no descriptors or memory are unshared.
        unsafe { unshare_unsafe(UnshareFlags::NEWCGROUP) }.at(Step::CgroupNamespace)?;
    }
    watch.lap("init-pivot");
    if !leave_out::is(Part::NamespaceLimits) {
        limit_namespaces(&old_proc, &NAMESPACE_LIMITS)?;
    }
    if !leave_out::is(Part::MountLock) {
        lock_mounts(&old_proc)?;
        check_locked()?;
    }
    if !leave_out::is(Part::NestedNamespaceLimits) {
        limit_namespaces(&old_proc, &NESTED_LIMITS)?;
    }
    drop(old_proc);
    watch.lap("init-lock");
    Ok(watch.take())
}

/// At once after the maps: with one id mapped, files made by any other are errors. The capabilities in the user namespace stay,
/// as the id inside is not 0 before or after.
fn switch_ids() -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(INSIDE), Gid::from_raw(INSIDE));
    if !leave_out::is(Part::SwitchIds) {
        set_thread_res_gid(gid, gid, gid).at(Step::SwitchIds)?;
        set_thread_res_uid(uid, uid, uid).at(Step::SwitchIds)?;
    }
    die_with_forkserver()?;
    set_dumpable_behavior(hidden()).at(Step::SwitchIds)
}

/// Changing credentials disarms it: armed anew after each change.
fn die_with_forkserver() -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).at(Step::ParentDeathSignal)
}

/// Nobody of the sandbox looks into its first process.
fn hidden() -> DumpableBehavior {
    if leave_out::is(Part::InitDumpable) { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable }
}

/// Two directories of the `/proc` that was: the sandbox's own will be read-only and show processes only.
struct OldProc {
    /// `/proc/self`, for the maps of the nested user namespace.
    own: OwnedFd,
    /// `/proc/sys/user`, for the limits.
    limits: OwnedFd,
}

impl OldProc {
    fn at(proc: &str) -> Result<OldProc, Failure> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(OldProc {
            own: open(&*format!("{proc}/self"), flags, Mode::empty()).at(Step::LockMounts)?,
            limits: open(&*format!("{proc}/sys/user"), flags, Mode::empty()).at(Step::NamespaceLimits)?,
        })
    }
}

/// In the user namespace that this process is in by now.
fn limit_namespaces(proc: &OldProc, limits: &[(&str, &str)]) -> Result<(), Failure> {
    for &(kind, count) in limits {
        write_at(&proc.limits, &format!("max_{kind}_namespaces"), count)
            .map_err(|errno| Failure::new(Step::NamespaceLimits, errno.raw_os_error()).about(kind))?;
    }
    Ok(())
}

/// On the working directory, which is the forkserver's: there need not be a path to it that the slot's id may walk.
fn attach_root(materials: &Materials) -> Result<(), Failure> {
    mounts::attach_on(&materials.root, CWD).at(Step::AttachRoot)?;
    fchdir(&materials.root).at(Step::AttachRoot)
}

/// Three directories of one file system, at three places. A detached mount can't be cloned from in parts everywhere, so it is
/// attached for a moment.
fn attach_workspace(workspace: &OwnedFd) -> Result<(), Failure> {
    mounts::attach(workspace, CWD, "work").at(Step::AttachWorkspace)?;
    let parts = [("work", "work"), ("tmp", "tmp"), ("shm", "dev/shm")].map(|(part, place)| {
        let tree = mounts::clone_tree(CWD, &format!("work/{part}")).at(Step::AttachWorkspace)?;
        Ok((tree, place))
    });
    unmount("work", UnmountFlags::DETACH).at(Step::AttachWorkspace)?;
    for part in parts {
        let (tree, place) = part?;
        mounts::attach(&tree, CWD, place).at(Step::AttachWorkspace)?;
    }
    Ok(())
}

/// Shows this pid namespace only, and of it only what one may look into. Read-only by the mount itself.
fn attach_proc() -> Result<(), Failure> {
    let options = [("subset", "pid", Part::ProcSubset), ("hidepid", "invisible", Part::ProcHidepid)];
    let options: Vec<_> = options.into_iter().filter(|one| !leave_out::is(one.2)).map(|one| (one.0, one.1)).collect();
    let attributes = if leave_out::is(Part::ProcReadonly) { WRITABLE } else { PROC };
    let proc = mounts::create("proc", &options, attributes).at(Step::MountProc)?;
    mounts::attach(&proc, CWD, "proc").at(Step::MountProc)
}

fn pivot() -> Result<(), Failure> {
    pivot_root(".", ".").at(Step::PivotRoot)?;
    // Both roots are stacked at "." now; the old one is on top.
    if !leave_out::is(Part::OldRoot) {
        unmount(".", UnmountFlags::DETACH).at(Step::DetachOldRoot)?;
    }
    chdir("/").at(Step::CheckRoot)?;
    match getcwd(Vec::new()) {
        Ok(path) if path.as_bytes() == b"/" => Ok(()),
        Ok(_) => Err(Failure::new(Step::CheckRoot, libc::EXDEV)),
        Err(errno) => Err(Failure::new(Step::CheckRoot, errno.raw_os_error())),
    }
}

/// A nested user namespace with a copy of the mounts: what came from the outer one can't be remounted or taken off in it.
fn lock_mounts(proc: &OldProc) -> Result<(), Failure> {
    set_dumpable_behavior(DumpableBehavior::Dumpable).at(Step::LockMounts)?;
    // SAFETY: no descriptors or memory are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }.at(Step::LockMounts)?;
    let map = format!("{INSIDE} {INSIDE} 1");
    // Without capability outside, a gid map needs the denial first.
    for (file, text) in [("setgroups", "deny"), ("gid_map", &*map), ("uid_map", &*map)] {
        write_at(&proc.own, file, text)
            .map_err(|errno| Failure::new(Step::LockMounts, errno.raw_os_error()).about(file))?;
    }
    set_dumpable_behavior(hidden()).at(Step::LockMounts)?;
    die_with_forkserver()
}

fn write_at(dir: impl AsFd, file: &str, text: &str) -> Result<(), Errno> {
    let file = openat(dir, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    write(file, text.as_bytes()).map(drop)
}

/// The root is to stay read-only even for this process, which has every capability of its namespace.
fn check_locked() -> Result<(), Failure> {
    let root = open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).at(Step::CheckRoot)?;
    match mount_setattr(&root, 0, u64::from(READ_ONLY.bits()), false) {
        Err(Errno::PERM) => Ok(()),
        Err(errno) => Err(Failure::new(Step::LockMounts, errno.raw_os_error())),
        Ok(()) => Err(Failure::new(Step::LockMounts, 0)),
    }
}
