//! What holds for all sandboxes of this forkserver.

use crate::hostpaths::HostRoots;
use crate::ids::{Ids, Supply};
use crate::layers;
use crate::leaf::Hierarchies;
use crate::namespaces::Namespaces;
use crate::stage::Roots;
use crate::step::{At, Failure, Step};
use forkserver::wire::{HostPlan, SandboxPlan};
use std::fs::read_to_string;

pub struct Host {
    pub plan: HostPlan,
    pub hierarchies: Hierarchies,
    pub roots: Roots,
    pub host_roots: HostRoots,
    pub namespaces: Namespaces,
    ids: Supply,
    /// CPUs that may be used at once.
    pub cpus: f64,
    /// Seccomp filters that this process has: every program below has them too.
    pub own_filters: u64,
}

/// Below it are the ids of the machine itself.
const LOWEST_UID: u32 = 1000;

impl Host {
    pub fn open(plan: HostPlan) -> Result<Host, Failure> {
        check(&plan)?;
        let cpus = std::thread::available_parallelism().at(Step::HostPlan)?.get() as f64;
        let roots = Roots::stage(&plan)?;
        let ids = Supply::of(&plan)?;
        let host_roots = HostRoots::open(&plan.host_roots, ids.is_shared())?;
        let namespaces = Namespaces::own().at(Step::CheckNamespaces)?;
        let own_status = read_to_string("/proc/self/status").at(Step::HostPlan)?;
        let own_filters = layers::filters(&own_status).ok_or(Failure::new(Step::HostPlan, libc::ENOSYS))?;
        // Last: what it makes outlives this process unless it is taken away again.
        Ok(Host { hierarchies: Hierarchies::open(&plan)?, roots, host_roots, namespaces, ids, cpus, own_filters, plan })
    }

    /// The slot's uid and gid.
    pub fn ids(&self, plan: &SandboxPlan) -> Result<Ids, Failure> {
        self.ids.of_slot(plan.slot).ok_or_else(|| Failure::new(Step::Request, libc::EUSERS).about("slot"))
    }

    /// Does the operator accept `by` in place of `layer`?
    pub fn accepts(&self, layer: &str, by: &str) -> bool {
        self.plan.substitutes.iter().any(|one| one.layer == layer && one.by == by)
    }
}

fn check(plan: &HostPlan) -> Result<(), Failure> {
    let bad = |what: &str| Err(Failure::new(Step::HostPlan, libc::EINVAL).about(what));
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=64).contains(&plan.instance.len()) || !plan.instance.bytes().all(plain) {
        return bad("instance");
    }
    if plan.first_uid < LOWEST_UID
        || plan.uid_count == 0
        || plan.first_uid.checked_add(plan.uid_count).is_none_or(|end| end == u32::MAX)
    {
        return bad("uids");
    }
    if !plan.stage_dir.starts_with('/') {
        return bad("stageDir");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(instance: &str, first_uid: u32, uid_count: u32) -> HostPlan {
        let (instance, stage_dir) = (instance.to_owned(), "/run/stage".to_owned());
        HostPlan {
            instance,
            stage_dir,
            first_uid,
            uid_count,
            cgroups: Vec::new(),
            roots: Vec::new(),
            host_roots: Vec::new(),
            substitutes: Vec::new(),
        }
    }

    #[test]
    fn an_instance_is_a_plain_name_and_uids_are_not_the_machines() {
        assert_eq!(check(&plan("w-ab12", 200_000, 8)), Ok(()));
        for bad in [
            plan("", 200_000, 8),
            plan("../x", 200_000, 8),
            plan("w", 0, 8),
            plan("w", 200_000, 0),
            plan("w", u32::MAX, 2),
        ] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }
}
