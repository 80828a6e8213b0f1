//! Landlock: a second opinion on the mounts, and limits on whom a job may signal or speak to.
//!
//! Everything that the running kernel can restrict is restricted, with hard requirements: a right that can't be denied is an error.

use crate::step::{At, Failure, Step};
use crate::sys::landlock_abi;
use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use rustix::fs::{AtFlags, CWD, FileType, Mode, mknodat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// What a job may read and execute: all that its root file system shows.
const ROOT: &str = "/";
const WRITABLE: [&str; 3] = ["/work", "/tmp", "/dev/shm"];
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// What the crate refuses, in its own words.
type Refusal = Box<dyn std::error::Error>;

/// Checks by use that a ruleset holds this process: in `dir`, where it may make files, a device node is refused. Not by the mount
/// (nodev is about opening), nor by a missing capability: node 0:0 is one that everybody may make (`WHITEOUT_DEV`, since Linux 5.8).
/// The kernel shows no process' rulesets.
pub fn prove(dir: &str) -> Result<(), Failure> {
    let mut name = [0; 8];
    getrandom(&mut name, GetRandomFlags::empty()).at(Step::Landlock)?;
    let path = format!("{dir}/.{:016x}", u64::from_ne_bytes(name));
    match mknodat(CWD, &path, FileType::CharacterDevice, Mode::from_raw_mode(0o600), 0) {
        Err(Errno::ACCESS) => Ok(()),
        Err(errno) => Err(Failure::new(Step::Landlock, errno.raw_os_error()).about("not tried")),
        Ok(()) => {
            let _ = unlinkat(CWD, &path, AtFlags::empty());
            Err(Failure::new(Step::Landlock, libc::EPROTO).about("a device node was made"))
        }
    }
}

/// Restricts this process and all descendants; returns the kernel's ABI. Needs no-new-privs. `host_paths` may be written too, but nothing
/// may be made there that others could be spoken to by.
pub fn restrict(deny_tcp: bool, host_paths: &[String]) -> Result<u32, Failure> {
    let number = landlock_abi().at(Step::Landlock)?;
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
    ruleset = rule(ruleset, ROOT, make_bitflags!(AccessFs::{ReadFile | ReadDir | Execute}))?;
    // Device nodes have no business there, and there are no devices to send an ioctl to.
    let write = AccessFs::from_all(abi) & !make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev});
    for path in WRITABLE {
        ruleset = rule(ruleset, path, write)?;
    }
    for path in host_paths {
        let all = write & !make_bitflags!(AccessFs::{MakeSock | MakeFifo});
        let access = if std::fs::metadata(path)?.is_dir() { all } else { all & AccessFs::from_file(abi) };
        ruleset = rule(ruleset, path, access)?;
    }
    for path in DEVICES {
        ruleset = rule(ruleset, path, make_bitflags!(AccessFs::{ReadFile | WriteFile}))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Refuses everything that this kernel can refuse; rules then open what is needed.
fn refuse_all(abi: ABI, deny_tcp: bool) -> Result<RulesetCreated, Refusal> {
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(abi))?;
    let (network, scopes) = (AccessNet::from_all(abi), Scope::from_all(abi));
    if deny_tcp && !network.is_empty() {
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
mod tests {
    use super::*;

    fn restrict_making_devices() -> Result<RulesetStatus, Refusal> {
        let ruleset = Ruleset::default().handle_access(AccessFs::MakeChar)?.create()?;
        Ok(ruleset.set_compatibility(CompatLevel::HardRequirement).restrict_self()?.ruleset)
    }

    #[test]
    fn a_ruleset_is_noticed_by_use_and_so_is_its_absence() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_str().expect("UTF-8").to_owned();
        assert_eq!(prove(&path).map_err(|failure| failure.errno), Err(libc::EPROTO), "without a ruleset");
        assert_eq!(dir.path().read_dir().expect("listed").count(), 0);
        // A ruleset holds the thread that put it on.
        let restricted = std::thread::spawn(move || {
            restrict_making_devices().expect("restricted");
            prove(&path)
        });
        assert_eq!(restricted.join().expect("joined"), Ok(()));
    }
}
