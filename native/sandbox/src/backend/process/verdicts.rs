//! What the trial says of each layer: what was tried, what it met, and whether that is what the layer promises.

use std::fmt;

use forkserver::wire::{Attempts, Cause, Evidence};

use super::trial::Answers;

/// Layer, the attempt's name, how it is shown, and what it must meet.
const PROMISED: [(&str, &str, &str, &[&str]); 16] = [
    ("capabilities", "chroot", "chroot", &["EPERM"]),
    ("user-namespace", "unshare", "unshare user", &["ENOSPC"]),
    ("uid", "setuid", "setuid 0", &["EINVAL"]),
    // Only whoever has no-new-privs may take a filter without a capability.
    ("no-new-privs", "seccomp", "take a filter", &["worked"]),
    ("pid-namespace", "kill", "kill the worker", &["ESRCH"]),
    ("mount-namespace", "stat", "stat a host path", &["ENOENT"]),
    ("network-namespace", "sendto", "send to the host", &["ENETUNREACH"]),
    ("ipc-namespace", "shmctl", "stat a host segment", &["EINVAL", "ENOENT"]),
    ("uts-namespace", "uname", "uname", &["bullpen"]),
    ("cgroup-namespace", "cgroup", "own cgroup", &["/"]),
    ("readonly-root", "mkdir", "mkdir in /", &["EROFS"]),
    ("workspace-quota", "write", "write beyond", &["ENOSPC"]),
    ("workspace-quota", "create", "create beyond", &["ENOSPC"]),
    ("rlimits", "dup", "dup beyond", &["EMFILE"]),
    ("cgroup-pids", "fork", "fork beyond", &["EAGAIN"]),
    ("landlock", "mknod", "mknod in /tmp", &["EACCES"]),
];
const REFUSED_CALL: &str = "inotify_init1";
const UNANSWERED: &str = "no answer";

/// What came of a whole trial.
pub struct Tried {
    pub answers: Answers,
    /// How often the leaf refused a process.
    pub forks_refused: u64,
    /// Something arrived at the host's listener.
    pub was_reached: bool,
    pub aims: Attempts,
    /// One call without a filter, under the strict one, and under the compatible one.
    pub filters: [Answers; 3],
    /// How those ended that would use more than they may.
    pub memory: Evidence,
    pub cpu: Evidence,
    pub sleep: Evidence,
}

/// One thing that was tried.
#[derive(Debug, PartialEq, Eq)]
pub struct Attempt {
    what: String,
    met: String,
    /// It is what the layer promises.
    pub is_as_promised: bool,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.what, self.met)
    }
}

impl Tried {
    /// Everything that was tried against a layer. `is_substitute`: what stands in for it is what was met.
    pub fn against(&self, layer: &str, is_substitute: bool) -> Vec<Attempt> {
        let named = PROMISED.iter().filter(|(of, name, ..)| *of == layer && self.is_aimed(name));
        let mut all: Vec<Attempt> = named.map(|(_, name, what, met)| self.answered(name, what, met)).collect();
        match layer {
            "pid-namespace" => all.push(ending("sleep on", &self.sleep, Cause::WallTime)),
            "network-namespace" if self.was_reached => all.push(attempt("listen", "arrived", false)),
            "seccomp" => all.extend(self.under_filters()),
            "cgroup-pids" if !is_substitute && self.forks_refused == 0 => {
                all.push(attempt("fork beyond", "not counted", false))
            }
            "cgroup-memory" => {
                let mut end = ending("use memory", &self.memory, Cause::Memory);
                end.is_as_promised &= is_substitute || self.memory.oom_kills > 0;
                all.push(end);
            }
            "cgroup-cpu" => {
                all.push(ending("spin", &self.cpu, Cause::CpuTime));
                let is_throttled = self.cpu.throttled_us > 0;
                if !is_substitute {
                    all.push(attempt("spin", if is_throttled { "throttled" } else { "not throttled" }, is_throttled));
                }
            }
            _ => {}
        }
        all
    }

    fn answered(&self, name: &str, what: &str, promised: &[&str]) -> Attempt {
        let met = self.answers.get(name).map_or(UNANSWERED, |answer| answer);
        attempt(what, met, promised.contains(&met))
    }

    /// What the host doesn't have was not tried to reach.
    fn is_aimed(&self, name: &str) -> bool {
        match name {
            "kill" => self.aims.process.is_some(),
            "stat" => self.aims.directory.is_some(),
            "sendto" => self.aims.udp_port.is_some(),
            "shmctl" => self.aims.segment.is_some(),
            _ => true,
        }
    }

    /// The call works without a filter, so that it is the filter that refuses it.
    fn under_filters(&self) -> Vec<Attempt> {
        let [without, strict, compatible] = self.filters.each_ref().map(|answers| answers.get(REFUSED_CALL));
        let met = |answer: Option<&String>| answer.map_or(UNANSWERED, |answer| answer).to_owned();
        let worked = without.is_some_and(|answer| answer == "worked");
        let filtered = [("strict", strict), ("compatible", compatible)].map(|(profile, answer)| {
            let is_refused = answer.is_some_and(|answer| ["ENOSYS", "EPERM"].contains(&answer.as_str()));
            attempt(&format!("{REFUSED_CALL} ({profile})"), &met(answer), worked && is_refused)
        });
        let unfiltered = (!worked).then(|| attempt(&format!("{REFUSED_CALL} (no filter)"), &met(without), false));
        filtered.into_iter().chain(unfiltered).collect()
    }
}

fn attempt(what: &str, met: &str, is_as_promised: bool) -> Attempt {
    Attempt { what: what.to_owned(), met: met.to_owned(), is_as_promised }
}

fn ending(what: &str, evidence: &Evidence, promised: Cause) -> Attempt {
    let met = match evidence.cause {
        Cause::WallTime => "killed at its wall time",
        Cause::CpuTime => "killed at its CPU time",
        Cause::Memory => "killed at its memory",
        _ => "not killed",
    };
    attempt(what, met, evidence.cause == promised)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::layers;

    fn evidence(cause: Cause) -> Evidence {
        Evidence {
            cause,
            status: None,
            wall_time_us: 1,
            cpu_time_us: 1,
            cpu_wait_us: 0,
            memory_peak_bytes: None,
            processes_peak: None,
            oom_kills: u64::from(cause == Cause::Memory),
            forks_refused: 0,
            throttled_us: u64::from(cause == Cause::CpuTime),
            disk_full: false,
            inodes_full: false,
        }
    }

    fn as_promised() -> Tried {
        let call = |answer: &str| Answers::from([(REFUSED_CALL.to_owned(), answer.to_owned())]);
        Tried {
            answers: PROMISED.iter().map(|(_, name, _, met)| ((*name).to_owned(), met[0].to_owned())).collect(),
            forks_refused: 1,
            was_reached: false,
            aims: Attempts {
                process: Some(1),
                directory: Some("/x".to_owned()),
                udp_port: Some(1),
                segment: Some(1),
                ..Attempts::default()
            },
            filters: [call("worked"), call("ENOSYS"), call("ENOSYS")],
            memory: evidence(Cause::Memory),
            cpu: evidence(Cause::CpuTime),
            sleep: evidence(Cause::WallTime),
        }
    }

    /// Layers that a change takes away.
    fn lost(change: impl Fn(&mut Tried)) -> Vec<&'static str> {
        let mut tried = as_promised();
        change(&mut tried);
        let holds = |layer: &str| tried.against(layer, false).iter().all(|attempt| attempt.is_as_promised);
        layers::needed().map(|(layer, _)| layer).filter(|layer| !holds(layer)).collect()
    }

    #[test]
    fn every_layer_is_tried_and_held_when_all_is_as_promised() {
        assert_eq!(lost(|_| {}), Vec::<&str>::new());
        for (layer, _) in layers::needed() {
            assert!(!as_promised().against(layer, false).is_empty(), "{layer} is not tried");
        }
        let words = |layer| as_promised().against(layer, false).iter().map(Attempt::to_string).collect::<Vec<_>>();
        assert_eq!(words("capabilities"), ["chroot → EPERM"]);
    }

    #[test]
    fn whatever_works_or_gives_no_answer_takes_its_layer_away() {
        for (layer, name, _, met) in PROMISED {
            if !met.contains(&"worked") {
                assert_eq!(lost(|tried| drop(tried.answers.insert(name.into(), "worked".into()))), [layer], "{name}");
            }
            assert_eq!(lost(|tried| drop(tried.answers.remove(name))), [layer], "{name}");
        }
    }

    #[test]
    fn what_goes_on_takes_its_layer_away() {
        assert_eq!(lost(|tried| tried.was_reached = true), ["network-namespace"]);
        assert_eq!(lost(|tried| tried.forks_refused = 0), ["cgroup-pids"]);
        assert_eq!(lost(|tried| tried.memory.oom_kills = 0), ["cgroup-memory"]);
        assert_eq!(lost(|tried| tried.memory.cause = Cause::WallTime), ["cgroup-memory"]);
        assert_eq!(lost(|tried| tried.cpu.throttled_us = 0), ["cgroup-cpu"]);
        assert_eq!(lost(|tried| tried.cpu.cause = Cause::WallTime), ["cgroup-cpu"]);
        assert_eq!(lost(|tried| tried.sleep.cause = Cause::Exit), ["pid-namespace"]);
        for filter in 1..3 {
            assert_eq!(lost(|tried| tried.filters[filter] = tried.filters[0].clone()), ["seccomp"]);
        }
        assert_eq!(lost(|tried| tried.filters[0] = tried.filters[1].clone()), ["seccomp"]);
    }

    #[test]
    fn a_substitute_is_judged_by_what_it_can_do() {
        let mut tried = as_promised();
        (tried.forks_refused, tried.memory.oom_kills, tried.cpu.throttled_us) = (0, 0, 0);
        for layer in ["cgroup-pids", "cgroup-memory", "cgroup-cpu"] {
            assert!(tried.against(layer, true).iter().all(|attempt| attempt.is_as_promised), "{layer}");
        }
        tried.cpu.cause = Cause::Exit;
        assert!(!tried.against("cgroup-cpu", true)[0].is_as_promised);
    }

    #[test]
    fn what_the_host_has_not_is_not_missed() {
        let mut tried = as_promised();
        tried.aims = Attempts::default();
        tried.answers.remove("shmctl");
        assert_eq!(tried.against("ipc-namespace", false), []);
    }
}
