//! The layers of one sandbox, each from a reading of what it is made of: its PID 1, its limits, its program.
//!
//! What the kernel shows is compared with what was asked for; where the two differ, that is a failure of ours and no layer. A
//! program that runs already may make itself stricter (lower limits, filters of its own), never laxer: stricter is no difference.

use crate::host::Host;
use crate::ids::Ids;
use crate::leaf::Leaf;
use crate::namespaces::{self, KINDS};
use crate::provision::Parts;
use crate::readback::unless_gone;
use crate::rlimits;
use crate::step::{At, Failure, Step};
use forkserver::kernel::mountinfo::{self, MountEntry, below};
use forkserver::kernel::{self, status_line};
use forkserver::wire::Layer;
use rustix::process::Pid;

/// The substitute for an id of one's own: the user's.
const SHARED: &str = "shared";
/// Where a job may write by its root file system.
const BOX: [&str; 3] = ["/work", "/tmp", "/dev/shm"];
const CAPABILITY_SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// What a sandbox has once init is ready: read from init, which every program is forked from.
pub fn of_place(parts: &Parts, ids: Ids, host: &Host) -> Result<Vec<Layer>, Failure> {
    let pid = parts.init()?.pid;
    check_namespaces(pid, host)?;
    let status = kernel::read(&in_proc(pid, "status")).at(Step::SwitchIds)?;
    check_ids(&status, ids)?;
    let mounts = mountinfo::read(&pid.as_raw_nonzero().to_string()).at(Step::CheckRoot)?;
    parts.places.check(&mounts)?;
    if let Some(place) = writable_elsewhere(&mounts, &parts.places.writable()) {
        return Err(Failure::new(Step::CheckRoot, libc::EPROTO).about(place));
    }
    let mut layers: Vec<Layer> = KINDS.iter().map(|(_, name)| layer(name, None)).collect();
    layers.extend(uid_layer(ids, host));
    layers.push(layer("readonly-root", None));
    Ok(layers)
}

/// What the job's limits add; all of them were written and read back. `quota`: what the box holds, by its own word.
pub fn of_limits(leaf: &Leaf, quota: String) -> Vec<Layer> {
    let kept = [
        ("cgroup-memory", leaf.memory.kept_by()),
        ("cgroup-pids", leaf.tasks.kept_by()),
        ("cgroup-cpu", leaf.cpu.kept_by()),
    ];
    let kept = kept.iter().filter_map(|(name, by)| Some(layer(name, Some((*by)?.to_owned()))));
    [layer("workspace-quota", Some(quota))].into_iter().chain(kept).collect()
}

/// What a program was seen in.
pub struct Around<'a> {
    pub host: &'a Host,
    pub leaf: &'a Leaf,
    pub ids: Ids,
    /// The ABI of the ruleset that its process put on, and then tried.
    pub landlock_abi: u32,
}

/// What a program carries, read from its own entries in `/proc`. It may be dead, but not reaped. `None` when it is reaped: init is dead
/// then, and the kernel did it.
pub fn of_program(program: Pid, around: &Around<'_>) -> Result<Option<Vec<Layer>>, Failure> {
    let Some(status) = read_of(program, "status")? else { return Ok(None) };
    let seccomp = check_status(&status, around.host.own_filters)?;
    check_ids(&status, around.ids)?;
    let Some(limits) = read_of(program, "limits")? else { return Ok(None) };
    let open_files =
        rlimits::read_back(&limits, around.leaf.tasks.rlimit()).map_err(|what| differs(Step::Rlimits, what))?;
    let Some(groups) = read_of(program, "cgroup")? else { return Ok(None) };
    match around.host.hierarchies.check_inside(around.leaf, &groups) {
        Err(what) if !is_ending(program)? => return Err(differs(Step::LeafEnter, what)),
        _ => {}
    }
    match check_namespaces(program, around.host) {
        // Of one that ended and was not dumpable the kernel shows a user's forkserver nothing any more; its init was seen apart.
        Err(failure) if failure.errno == libc::EACCES && is_ending(program)? => {}
        checked => checked?,
    }
    Ok(Some(vec![
        layer("rlimits", Some(open_files.to_string())),
        layer("capabilities", None),
        layer("no-new-privs", None),
        layer("landlock", Some(around.landlock_abi.to_string())),
        layer("seccomp", Some(seccomp)),
    ]))
}

fn layer(name: &str, value: Option<String>) -> Layer {
    Layer { layer: name.to_owned(), value }
}

fn differs(step: Step, what: impl Into<String>) -> Failure {
    Failure::new(step, libc::EPROTO).about(what)
}

fn in_proc(process: Pid, file: &str) -> String {
    format!("/proc/{}/{file}", process.as_raw_nonzero())
}

fn read_of(process: Pid, file: &str) -> Result<Option<String>, Failure> {
    unless_gone(kernel::read(&in_proc(process, file))).at(Step::ReadBack)
}

/// One that ends is in no group of v1 any more (`proc_cgroup_show`); it was forked by init, which was seen in its leaf, alone.
fn is_ending(process: Pid) -> Result<bool, Failure> {
    /// `PF_EXITING`.
    const EXITING: u64 = 4;
    let Some(stat) = read_of(process, "stat")? else { return Ok(true) };
    // The name, in parentheses, may hold anything. After it: state, and then flags is the seventh.
    let flags = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.map(|flags| flags & EXITING != 0).ok_or(Failure::new(Step::ReadBack, libc::EBADMSG))
}

/// A process that has ended has none any more.
fn check_namespaces(process: Pid, host: &Host) -> Result<(), Failure> {
    let apart = unless_gone(host.namespaces.apart(process.as_raw_nonzero().get())).at(Step::CheckNamespaces)?;
    let is_shared = |apart: &[&str], kind| !apart.contains(&kind) && !namespaces::is_left_out(kind);
    let shared = apart.and_then(|apart| KINDS.iter().find(|(kind, _)| is_shared(&apart, kind)));
    shared.map_or(Ok(()), |(kind, _)| Err(differs(Step::CheckNamespaces, *kind)))
}

/// Answers the seccomp mode. `own_filters`: how many filters we have ourselves, as in a container; the program's come on top.
fn check_status(status: &str, own_filters: u64) -> Result<String, Failure> {
    for set in CAPABILITY_SETS {
        expect(status, set, "0000000000000000", Step::Capabilities)?;
    }
    expect(status, "NoNewPrivs", "1", Step::NoNewPrivs)?;
    let filters = filters(status).unwrap_or(0);
    if filters <= own_filters {
        return Err(differs(Step::Seccomp, format!("Seccomp_filters is {filters}")));
    }
    expect(status, "Seccomp", "2", Step::Seccomp)
}

/// How many seccomp filters a process has.
pub fn filters(status: &str) -> Option<u64> {
    status_line(status, "Seccomp_filters")?.parse().ok()
}

fn expect(status: &str, key: &str, expected: &str, step: Step) -> Result<String, Failure> {
    match status_line(status, key) {
        Some(value) if value == expected => Ok(value.to_owned()),
        other => Err(differs(step, format!("{key} is {}", other.unwrap_or("missing")))),
    }
}

/// All four uids and gids are the slot's, and there is no other group; but with a user's own id their groups come along.
fn check_ids(status: &str, ids: Ids) -> Result<(), Failure> {
    let all_four = |id: u32| [id.to_string(), id.to_string(), id.to_string(), id.to_string()].join("\t");
    let held = |key, expected: &str| status_line(status, key).is_some_and(|value| value == expected);
    match held("Uid", &all_four(ids.uid)) && held("Gid", &all_four(ids.gid)) && (!ids.own || held("Groups", "")) {
        true => Ok(()),
        false => Err(Failure::new(Step::SwitchIds, libc::EPROTO)),
    }
}

/// An id that others have too is no layer, unless the operator takes it for one.
fn uid_layer(ids: Ids, host: &Host) -> Option<Layer> {
    if ids.own {
        return Some(layer("uid", Some(ids.host_uid.to_string())));
    }
    host.accepts("uid", SHARED).then(|| layer("uid", Some(SHARED.to_owned())))
}

/// Where the job could write beside its box and what it was granted; `/` if there is no root at all.
fn writable_elsewhere(mounts: &[MountEntry], granted: &[String]) -> Option<String> {
    let may_be = |place: &str| BOX.contains(&place) || granted.iter().any(|tree| below(place, tree).is_some());
    let root = mounts.iter().rfind(|mount| mount.place == "/");
    if root.is_none_or(|root| !root.is_read_only) {
        return Some("/".to_owned());
    }
    mounts.iter().find(|mount| !mount.is_read_only && !may_be(&mount.place)).map(|mount| mount.place.clone())
}

#[cfg(test)]
mod tests;
