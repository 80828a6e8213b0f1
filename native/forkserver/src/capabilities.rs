//! Capabilities: the few that the forkserver keeps, and none for a payload.

use crate::sys::drop_from_bounding_set;
use leave_out::Part;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    set_capabilities, set_capabilities_secure_bits,
};

/// What making and killing sandboxes needs: the first step that fails without each (each was left out, and the tests run).
const FORKSERVER: CapabilitySet = CapabilitySet::SYS_ADMIN // OwnMounts: namespaces and mounts
    .union(CapabilitySet::SETUID) // UidMap: a sandbox's own uid; a clerk's
    .union(CapabilitySet::SETGID) // GidMap, likewise
    .union(CapabilitySet::CHOWN) // Workspace, ChownPipe: a job's directories and pipes become the slot's
    .union(CapabilitySet::DAC_READ_SEARCH) // HostPath: what can be granted below a directory that only its owner may enter
    .union(CapabilitySet::KILL) // a clerk that doesn't end is killed, and has another uid. (A sandbox is of a user namespace that we made)
    .union(CapabilitySet::SYS_PTRACE) // CheckNamespaces, ReadBack: the /proc entries of what isn't dumpable
    .union(CapabilitySet::SETPCAP); // OwnCapabilities: shrinking the bounding set, here and in a clerk

/// Where we are root by mapping a user's id, mapping that id again is mapping a root, which takes one more.
const MAP_ROOT: CapabilitySet = CapabilitySet::SETFCAP;

/// Held in reserve, in effect only [`overriding`]: the root directory of a hierarchy has the mode 0555, which stops its owner too.
const RESERVE: CapabilitySet = CapabilitySet::DAC_OVERRIDE;

fn needed(is_user_mapped_to_root: bool) -> CapabilitySet {
    if is_user_mapped_to_root { FORKSERVER | MAP_ROOT } else { FORKSERVER }
}

/// The name of one that is needed and that this process doesn't have.
pub fn first_missing(is_user_mapped_to_root: bool) -> Result<Option<String>, Errno> {
    let missing = needed(is_user_mapped_to_root) - capabilities(None)?.permitted;
    Ok(missing.iter_names().next().map(|(name, _)| format!("CAP_{name}")))
}

/// Reduces this process and all descendants to [`FORKSERVER`], and [`RESERVE`] where it is there. (A new user namespace gives its first process a full set, valid
/// inside it only.)
pub fn keep_for_forkserver(is_user_mapped_to_root: bool) -> Result<(), Errno> {
    let needed = needed(is_user_mapped_to_root);
    let needed = if leave_out::is(Part::ForkserverCapabilities) { CapabilitySet::all() } else { needed };
    drop_bounding_set_except(needed)?;
    clear_ambient_capability_set()?;
    let (effective, reserve) = (capabilities(None)?.permitted & needed, capabilities(None)?.permitted & RESERVE);
    // The sealed copy is not executed again, and programs get none.
    set(effective, effective | reserve)
}

/// Does something with the permission to write in a directory that nobody may write in, as far as this process was given that.
pub fn overriding<T>(act: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    let CapabilitySets { effective, permitted, .. } = capabilities(None)?;
    set(effective | (permitted & RESERVE), permitted)?;
    let result = act();
    set(effective, permitted)?;
    result
}

fn set(effective: CapabilitySet, permitted: CapabilitySet) -> Result<(), Errno> {
    set_capabilities(None, CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() })
}

/// From here on changes of uid change no capability, and uid 0 brings none.
pub fn lock() -> Result<(), Errno> {
    if leave_out::is(Part::SecureBits) { Ok(()) } else { set_capabilities_secure_bits(LOCKED) }
}

/// Gives up every capability for good: no set holds one, and no exec or uid change can bring one back.
pub fn drop_all() -> Result<(), Errno> {
    lock()?;
    if !leave_out::is(Part::CapabilitiesBounding) {
        drop_bounding_set_except(CapabilitySet::empty())?;
    }
    if leave_out::is(Part::CapabilitiesSets) {
        return Ok(());
    }
    clear_ambient_capability_set()?;
    set(CapabilitySet::empty(), CapabilitySet::empty())
}

/// Uid 0 means nothing, uid changes fix nothing up, nothing ambient; all of it locked.
const LOCKED: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP)
    .union(CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED)
    .union(CapabilitiesSecureBits::KEEP_CAPS_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

fn drop_bounding_set_except(kept: CapabilitySet) -> Result<(), Errno> {
    for number in 0..64 {
        if kept.bits() & (1 << number) != 0 {
            continue;
        }
        match drop_from_bounding_set(number) {
            // Beyond the last capability that this kernel knows.
            Err(Errno::INVAL) => break,
            result => result?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkserver::kernel::status_line;

    #[test]
    fn alone_it_leaves_none_before_any_exec() {
        let thread = std::thread::spawn(|| {
            let own = || std::fs::read_to_string("/proc/thread-self/status").expect("status");
            let before = own();
            drop_all().expect("dropped");
            (before, own())
        });
        let (before, after) = thread.join().expect("a thread");
        assert_ne!(status_line(&before, "CapEff"), Some("0000000000000000"), "these tests are for root");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status_line(&after, set), Some("0000000000000000"), "{set}");
        }
    }

    /// Whether root's own directory of the mode 0555 takes another one.
    fn may_write_in(closed: &std::path::Path) -> bool {
        std::fs::create_dir(closed.join("one")).and_then(|()| std::fs::remove_dir(closed.join("one"))).is_ok()
    }

    #[test]
    fn a_closed_directory_is_written_in_only_while_overriding() {
        let place = tempfile::tempdir().expect("a directory");
        let closed = place.path().to_owned();
        std::fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o555)).expect("closed");
        assert!(may_write_in(&closed), "these tests are for root");
        let thread = std::thread::spawn(move || {
            keep_for_forkserver(false).expect("kept");
            let before = may_write_in(&closed);
            let meanwhile = overriding(|| Ok(may_write_in(&closed))).expect("overridden");
            (before, meanwhile, may_write_in(&closed))
        });
        assert_eq!(thread.join().expect("a thread"), (false, true, false));
    }
}
