//! Whose ids sandboxes get. As root each slot has its own; an ordinary user has only their own to give, to all of them.
//!
//! Without privilege this program first becomes root of a user namespace in which its own id is the only one. All that it needs
//! of root it has there: namespaces, mounts, the maps of its sandboxes.

use crate::step::{At, Failure, Step};
use forkserver::wire::HostPlan;
use leave_out::Part;
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe};
use std::fs;

/// The ids of everything in one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// By our own numbers.
    pub uid: u32,
    pub gid: u32,
    /// By those of whoever started us.
    pub host_uid: u32,
    pub host_gid: u32,
    /// No other sandbox has them.
    pub own: bool,
}

/// Makes this process root of a user namespace of its own, unless it may already do what it has to.
pub fn become_root_of_own_namespace() -> Result<(), Failure> {
    if capabilities(None).at(Step::OwnUserNamespace)?.effective.contains(CapabilitySet::SYS_ADMIN) {
        return Ok(());
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    // SAFETY: no descriptors or memory are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.at(Step::OwnUserNamespace)?;
    // Without privilege outside, a gid map needs the denial first: the user's other groups stay with every process below.
    for (file, text) in
        [("setgroups", "deny".to_owned()), ("uid_map", format!("0 {uid} 1")), ("gid_map", format!("0 {gid} 1"))]
    {
        fs::write(format!("/proc/self/{file}"), text).map_err(|error| {
            Failure::new(Step::OwnUserNamespace, error.raw_os_error().unwrap_or(libc::EIO)).about(file)
        })?;
    }
    Ok(())
}

/// May groups be given up? Not where they could be used to take rights away (files that a group may *not* read).
pub fn may_drop_groups() -> Result<bool, Failure> {
    Ok(fs::read_to_string("/proc/self/setgroups").at(Step::ClearGroups)?.trim() == "allow")
}

/// Are we root only because an ordinary user's id was mapped to it?
pub fn is_user_mapped_to_root() -> Result<bool, Failure> {
    let map = parse(&fs::read_to_string("/proc/self/uid_map").at(Step::OwnCapabilities)?);
    Ok(matches!(&*map, [only] if only.is_only_root()))
}

/// What there is to give to slots.
pub enum Supply {
    Block { first: u32, count: u32 },
    Shared { ids: Ids, slots: u32 },
}

impl Supply {
    /// The block of the plan, where it exists here; else our own id if it is the only one.
    pub fn of(plan: &HostPlan) -> Result<Supply, Failure> {
        let read = |file: &str| fs::read_to_string(format!("/proc/self/{file}")).at(Step::HostPlan);
        Supply::from_maps(plan, &read("uid_map")?, &read("gid_map")?)
    }

    fn from_maps(plan: &HostPlan, uids: &str, gids: &str) -> Result<Supply, Failure> {
        let (first, count) = (plan.first_uid, plan.uid_count);
        let (uids, gids) = (parse(uids), parse(gids));
        let whole = |map: &[Extent]| map.iter().any(|extent| extent.holds(first, count));
        if whole(&uids) && whole(&gids) {
            return Ok(Supply::Block { first, count });
        }
        match (&*uids, &*gids) {
            ([uid], [gid]) if uid.is_only_root() && gid.is_only_root() => {
                let ids = Ids { uid: 0, gid: 0, host_uid: uid.outside, host_gid: gid.outside, own: false };
                Ok(Supply::Shared { ids, slots: count })
            }
            _ => {
                Err(Failure::new(Step::HostPlan, libc::EUSERS)
                    .about("uids: not all of them exist in this user namespace"))
            }
        }
    }

    /// Has every slot the same?
    pub fn is_shared(&self) -> bool {
        matches!(self, Supply::Shared { .. })
    }

    /// The ids of a slot; `None` beyond the last.
    pub fn of_slot(&self, slot: u32) -> Option<Ids> {
        match *self {
            Supply::Block { first, count } => (slot < count).then(|| {
                let id = if leave_out::is(Part::UidPerSlot) { first } else { first + slot };
                Ids { uid: id, gid: id, host_uid: id, host_gid: id, own: true }
            }),
            Supply::Shared { ids, slots } => (slot < slots).then_some(ids),
        }
    }
}

/// A line of a uid or gid map.
struct Extent {
    inside: u32,
    outside: u32,
    count: u32,
}

impl Extent {
    fn holds(&self, first: u32, count: u32) -> bool {
        let end = |start: u32, length: u32| u64::from(start) + u64::from(length);
        self.inside <= first && end(first, count) <= end(self.inside, self.count)
    }

    fn is_only_root(&self) -> bool {
        self.inside == 0 && self.count == 1 && self.outside != 0
    }
}

fn parse(map: &str) -> Vec<Extent> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace().map(|field| field.parse().ok());
        Some(Extent { inside: fields.next()??, outside: fields.next()??, count: fields.next()?? })
    };
    map.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = "         0          0 4294967295\n";

    fn supply(first_uid: u32, uids: &str, gids: &str) -> Result<Supply, Failure> {
        let (instance, stage_dir) = ("w".to_owned(), "/run".to_owned());
        let (cgroups, roots, host_roots, substitutes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let plan = HostPlan { instance, stage_dir, first_uid, uid_count: 16, cgroups, roots, host_roots, substitutes };
        Supply::from_maps(&plan, uids, gids)
    }

    #[test]
    fn a_block_that_exists_gives_each_slot_its_own() {
        let supply = supply(200_000, EVERYTHING, EVERYTHING).expect("a supply");
        let of = |slot| supply.of_slot(slot).map(|ids| (ids.uid, ids.gid, ids.host_uid, ids.own));
        assert_eq!(
            (of(0), of(15), of(16)),
            (Some((200_000, 200_000, 200_000, true)), Some((200_015, 200_015, 200_015, true)), None)
        );
    }

    #[test]
    fn the_only_id_is_shared_by_all_slots() {
        let supply = supply(200_000, "0 1001 1\n", "0 100 1\n").expect("a supply");
        let ids = Ids { uid: 0, gid: 0, host_uid: 1001, host_gid: 100, own: false };
        assert_eq!((supply.of_slot(0), supply.of_slot(15), supply.of_slot(16)), (Some(ids), Some(ids), None));
    }

    #[test]
    fn ids_that_are_not_there_are_refused_and_never_roots() {
        for (uids, gids) in
            [("0 0 1", "0 0 1"), ("0 100000 65536", "0 100000 65536"), (EVERYTHING, "0 1001 1"), ("", "")]
        {
            assert_eq!(
                supply(200_000, uids, gids).map(|_| ()).map_err(|failure| failure.step),
                Err(Step::HostPlan),
                "{uids}"
            );
        }
        assert!(supply(1000, "0 100000 65536", "0 100000 65536").is_ok());
    }
}
