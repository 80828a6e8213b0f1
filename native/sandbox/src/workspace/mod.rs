//! A job's files, in and out of the sandbox's writable file system, always by descriptor.
//!
//! The box is the root of that file system: it holds `work/` (seen inside as `/work`), `tmp/` and `shm/`, owned by the
//! sandbox's slot. [`fill`] runs before any code of the job's does. [`collect`] runs after the last of its processes is
//! dead; even so everything in there is taken for hostile: no symbolic link is followed, nothing is opened that isn't a
//! regular file, nothing is read past a limit, and no recursion is as deep as a directory tree.

mod collect;
mod fill;
mod patterns;
mod read;
#[cfg(test)]
mod tests;
mod walk;

pub use collect::{Artifact, CollectError, Collected, Content, Limits, Reason, collect};
pub use fill::{FillError, Full, NewFile, Owner, fill};
pub use patterns::Patterns;

use rustix::fs::ResolveFlags;

/// Where a job's files are, in the box.
const WORK: &str = "work";

/// How every path below the box is resolved: it can't leave it, by link, `..`, mount or otherwise.
const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
