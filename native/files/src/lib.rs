//! A job's files, in and out of the sandbox's writable file system, always by descriptor.
//!
//! The box is the root of that file system: it holds `work/` (seen inside as `/work`), `tmp/` and `shm/`, owned by the
//! sandbox's slot. Filling comes before any code of the job's. Collecting comes after the last of its processes is
//! dead; even so everything in there is taken for hostile: no symbolic link is followed, nothing is opened that isn't a
//! regular file, nothing is read past a limit, and no recursion is as deep as a directory tree.
//!
//! Both are done by a *clerk*: a short-lived process of the forkserver's that has the slot's ids and nothing else
//! ([`serve`]). The sandbox library orders it over one stream ([`frames`]) and believes nothing that it answers beyond
//! what was asked for ([`Intake`]).

mod clerk;
mod collect;
mod fill;
pub mod frames;
mod intake;
mod patterns;
mod read;
#[cfg(test)]
mod tests;
mod walk;

pub use clerk::{Task, serve};
pub use collect::Reason;
pub use fill::Full;
pub use frames::{Answer, Limits, NewFile, Order};
pub use intake::{Artifact, Collected, Distrust, Intake};
#[cfg(feature = "parsers")]
pub use patterns::Patterns;

use leave_out::Part;
use rustix::fs::ResolveFlags;

/// Where a job's files are, in the box.
const WORK: &str = "work";

/// How every path below the box is resolved: it can't leave it, by link, `..`, mount or otherwise.
fn confined() -> ResolveFlags {
    let is_left_out = leave_out::is(Part::ArtifactLinks) || leave_out::is(Part::ArtifactLinksAtOpen);
    if is_left_out || leave_out::is(Part::FillFresh) { ResolveFlags::empty() } else { CONFINED }
}

const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);
