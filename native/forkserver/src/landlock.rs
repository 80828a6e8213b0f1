//! Landlock: a second opinion on the mounts, and limits on whom a job may signal or speak to.
//!
//! Everything that the running kernel can restrict is restricted, with hard requirements: a right that can't be denied is an error.

use crate::step::{At, Failure, Step};
use crate::sys::landlock_abi;
use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use leave_out::Part;
use rustix::fs::{AtFlags, CWD, FileType, Mode, mknodat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// What a job may read and execute: all that its root file system shows.
const ROOT: &str = "/";
const WRITABLE: [&str; 3] = ["/work", "/tmp", "/dev/shm"];
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What the crate refuses, in its own words.
type Refusal = Box<dyn std::error::Error>;

/// Checks by use that a ruleset holds this process: in `dir`, where it may make files, a block device is refused. Not by the mount
/// (nodev is about opening), nor by a missing capability: for want of that the kernel says `EPERM`, and asks it only after Landlock. (A
/// character device 0:0, which everybody may make, is no proof: Linux 6.1 lets it through.)
/// The kernel shows no process' rulesets.
pub fn prove(dir: &str) -> Result<(), Failure> {
    match make_device(dir) {
        Err(Errno::ACCESS) => Ok(()),
        Err(Errno::PERM) => Err(Failure::new(Step::Landlock, libc::EPROTO).about("a device node was not its affair")),
        Err(errno) => Err(Failure::new(Step::Landlock, errno.raw_os_error()).about("not tried")),
        Ok(()) => Err(Failure::new(Step::Landlock, libc::EPROTO).about("a device node was made")),
    }
}

/// Makes a block device in `dir`, of a name that nobody knows, and removes it.
pub fn make_device(dir: &str) -> Result<(), Errno> {
    let mut name = [0; 8];
    getrandom(&mut name, GetRandomFlags::empty())?;
    let path = format!("{dir}/.{:016x}", u64::from_ne_bytes(name));
    mknodat(CWD, &path, FileType::BlockDevice, Mode::from_raw_mode(0o600), 0)?;
    unlinkat(CWD, &path, AtFlags::empty())
}

/// Restricts this process and all descendants; returns the kernel's ABI. Needs no-new-privs. `host_paths` may be written too, but nothing
/// may be made there that others could be spoken to by.
pub fn restrict(deny_tcp: bool, host_paths: &[String]) -> Result<u32, Failure> {
    let number = landlock_abi().at(Step::Landlock)?;
    if leave_out::is(Part::LandlockWhole) {
        return Ok(number);
    }
    let abi = ABI::from(i32::try_from(number).unwrap_or(i32::MAX));
    let refused = |reason: String| Failure::new(Step::Landlock, libc::EINVAL).about(reason);
    match enforce(abi, deny_tcp, host_paths) {
        Ok(RulesetStatus::FullyEnforced) => Ok(number),
        Ok(partly) => Err(refused(format!("{partly:?}"))),
        Err(refusal) => Err(refused(refusal.to_string())),
    }
}

fn enforce(abi: ABI, deny_tcp: bool, host_paths: &[String]) -> Result<RulesetStatus, Refusal> {
    let mut ruleset = refuse_all(abi, deny_tcp)?;
    let all = AccessFs::from_all(abi);
    let look = make_bitflags!(AccessFs::{ReadFile | ReadDir | Execute});
    ruleset = rule(ruleset, ROOT, if leave_out::is(Part::LandlockWrite) { all } else { look })?;
    // Device nodes have no business there, and there are no devices to send an ioctl to.
    let write = all & !make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev});
    let write = if leave_out::is(Part::LandlockDeviceNodes) { all } else { write };
    for path in WRITABLE {
        ruleset = rule(ruleset, path, write)?;
    }
    for path in host_paths {
        let tree = if leave_out::is(Part::LandlockDoors) {
            write
        } else {
            write & !make_bitflags!(AccessFs::{MakeSock | MakeFifo})
        };
        let access = if std::fs::metadata(path)?.is_dir() { tree } else { tree & AccessFs::from_file(abi) };
        ruleset = rule(ruleset, path, access)?;
    }
    for path in DEVICES {
        let device = make_bitflags!(AccessFs::{ReadFile | WriteFile});
        let device = if leave_out::is(Part::LandlockDeviceIoctl) { all & AccessFs::from_file(abi) } else { device };
        ruleset = rule(ruleset, path, device)?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Refuses everything that this kernel can refuse; rules then open what is needed.
fn refuse_all(abi: ABI, deny_tcp: bool) -> Result<RulesetCreated, Refusal> {
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(abi))?;
    let (network, mut scopes) = (AccessNet::from_all(abi), Scope::from_all(abi));
    if leave_out::is(Part::LandlockSignals) {
        scopes.remove(Scope::Signal);
    }
    if leave_out::is(Part::LandlockAbstractSockets) {
        scopes.remove(Scope::AbstractUnixSocket);
    }
    if deny_tcp && !network.is_empty() && !leave_out::is(Part::LandlockTcp) {
        ruleset = ruleset.handle_access(network)?;
    }
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    Ok(ruleset.create()?)
}

fn rule(ruleset: RulesetCreated, path: &str, access: BitFlags<AccessFs>) -> Result<RulesetCreated, Refusal> {
    Ok(ruleset.add_rule(PathBeneath::new(PathFd::new(path)?, access))?)
}

#[cfg(test)]
mod tests;
