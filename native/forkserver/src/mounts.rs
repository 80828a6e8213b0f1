//! The mount calls by descriptor, as this program uses them.

use crate::sys::attributes_left_out;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, move_mount, open_tree,
};
use std::os::fd::{AsFd, OwnedFd};

/// Attributes of everything that is only to be read or executed.
pub const READ_ONLY: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_RDONLY.union(MountAttrFlags::MOUNT_ATTR_NOSUID).union(MountAttrFlags::MOUNT_ATTR_NODEV);
/// Of the sandbox's `/proc`: nothing in it is to be run, written or opened as a device.
pub const PROC: MountAttrFlags = READ_ONLY.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
/// Of a single device node: it must work as a device.
pub const DEVICE: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_RDONLY.union(MountAttrFlags::MOUNT_ATTR_NOSUID).union(MountAttrFlags::MOUNT_ATTR_NOEXEC);
/// Of what stands in for something hidden.
pub const MASK: MountAttrFlags = PROC;
/// Of what a job may write to. Programs that it compiles there are its purpose: no `noexec`.
pub const WRITABLE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

/// Makes a new, detached file system of type `kind`.
pub fn create(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    fsconfig_create(&context)?;
    let attributes = attributes.difference(MountAttrFlags::from_bits_retain(attributes_left_out() as u32));
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A detached copy of the mount at `path` below `dir`, with all that is mounted beneath it. Symbolic links in the last place are not followed.
pub fn clone_tree(dir: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
        | OpenTreeFlags::AT_NO_AUTOMOUNT;
    open_tree(dir, path, flags)
}

/// A detached copy of the mount that the open file or directory `node` is in, with `node` as its root and nothing that is mounted beneath
/// it. Of what was opened, not of whatever its path names by now.
pub fn clone_node(node: impl AsFd) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    open_tree(node, "", flags)
}

/// Attaches a detached mount at `path` below `dir`.
pub fn attach(mount: impl AsFd, dir: impl AsFd, path: &str) -> Result<(), Errno> {
    move_mount(mount, "", dir, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// As [`attach`], right on top of the directory or file that `target` is open on.
pub fn attach_on(mount: impl AsFd, target: impl AsFd) -> Result<(), Errno> {
    move_mount(mount, "", target, "", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH)
}

/// A mount's root, open for directory operations (what `fsmount` returns is only a path).
pub fn open_root(mount: impl AsFd) -> Result<OwnedFd, Errno> {
    openat(mount, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a host directory by absolute path without following a link in its last place.
pub fn open_directory(path: &str) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
