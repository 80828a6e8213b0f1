//! Every layer looked at: a sandbox is made, a program runs in it, and what the kernel shows of that program is compared with what
//! each layer promises. A layer holds only if the forkserver says that it was applied *and* the program's posture agrees *and*, where
//! it was tried by use, nothing was met but what it promises.

use std::os::fd::OwnedFd;
use std::time::Duration;

use forkserver::wire::{Layer, Posture, Substitute};
use rustix::pipe::{PipeFlags, pipe_with};

use super::sandbox::Place;
use super::verdicts::Tried;
use super::{Process, Settings};
use crate::backend::{BackendError, Depth, Launch, Probed, Program, Sandbox, Template};
use crate::config::UidRange;
use crate::door::document::Loopback;
use crate::failure::Failure;
use crate::plan;
use crate::policy::layers::{self, ProbedLayer};
use crate::policy::substitutes;

/// How many deaths of forkservers a probe survives: somebody kills one, or the host can't run it at all.
const TRIES: u32 = 4;
const ROOT_REMEDY: &str =
    "run the worker as root on a Linux 5.15 or later kernel, outside of a container that drops CAP_SYS_ADMIN";
const CGROUP_REMEDY: &str = "run the worker as root, or in a cgroup v2 group that was delegated to its user with memory, pids and cpu (systemd: Delegate=yes)";

/// What was seen of a program in a sandbox.
struct Seen {
    layers: Vec<Layer>,
    posture: Posture,
    /// None where nothing was tried.
    tried: Option<Tried>,
}

impl Process {
    /// Tries every layer. Fails only as a report in which layers don't hold.
    pub(super) async fn try_every_layer(&self, slot: u32, depth: Depth) -> Probed {
        let accepted = &self.settings.substitutes;
        let has_substitute = |layer: &str| accepted.iter().any(|one| one.layer == layer);
        let missing = &self.hierarchies.missing;
        // One that may be stood in for is not what refuses the job.
        let unmet = || missing.iter().filter(|(layer, _)| !has_substitute(layer));
        if unmet().next().is_some() {
            let why = |layer: &str| unmet().find(|(name, _)| *name == layer).map(|(_, why)| why.clone());
            let untried = || Lack::NotTried("not tried: control groups are missing".to_owned());
            let layers = report(accepted, |layer| Found::lacking(why(layer).map_or_else(untried, Lack::Failed)));
            return Probed { layers, clean: true };
        }
        match self.look_again_after_a_death(slot, depth).await {
            Ok(seen) => {
                let layers = report(accepted, |layer| seen.found(layer, &self.settings));
                Probed { layers, clean: true }
            }
            Err(error) => {
                let layers = report(accepted, |layer| Found::lacking(blame(layer, &error)));
                Probed { layers, clean: error.is_clean() }
            }
        }
    }

    /// A forkserver that dies while the host is tried out says nothing about the host.
    async fn look_again_after_a_death(&self, slot: u32, depth: Depth) -> Result<Seen, BackendError> {
        let mut deaths = 0;
        loop {
            match self.look(slot, depth).await {
                Err(BackendError::Died) if deaths < TRIES => deaths += 1,
                Err(BackendError::Resting(ms)) if deaths < TRIES => {
                    deaths += 1;
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                }
                seen => return seen,
            }
        }
    }

    async fn look(&self, slot: u32, depth: Depth) -> Result<Seen, BackendError> {
        let root = self.settings.roots.iter().find(|root| root.name == "debian").or(self.settings.roots.first());
        let root = root.map(|root| root.name.clone()).unwrap_or_default();
        let template = Template { backend: super::NAME.to_owned(), root, loopback: Loopback::Deny };
        let mut place = self.make(&template, &[], slot).await?;
        let seen = look_at_a_program(&mut place).await;
        Box::new(place).deprovision().await?;
        match depth {
            Depth::Posture => seen,
            Depth::Use => Ok(Seen { tried: Some(self.try_by_use(&template, slot).await?), ..seen? }),
        }
    }
}

/// Runs `cat`, which stays until its stdin ends.
async fn look_at_a_program(place: &mut Place) -> Result<Seen, BackendError> {
    let policy = crate::policy::defaults::policy();
    place.start(&plan::claim(&policy.limits), None).await?;
    let (stdin, hold_open) = pipe()?;
    let (_stdout, guest_stdout) = pipe()?;
    let (_stderr, guest_stderr) = pipe()?;
    let program = Program {
        step: 0,
        last: true,
        spec: plan::probe_spec(&policy).map_err(no_filter)?,
        wall_time_ms: policy.limits.wall_time_ms,
        cpu_time_ms: policy.limits.cpu_time_ms,
        report_posture: true,
        stdio: [stdin, guest_stdout, guest_stderr],
    };
    let launch = place.exec(program).await?;
    drop(hold_open);
    let Launch::Running { posture: Some(posture) } = launch else {
        return Err(BackendError::Confused { request: "Exec", answer: format!("{launch:?}") });
    };
    place.wait().await?;
    Ok(Seen { layers: place.layers().to_vec(), posture, tried: None })
}

/// There is no filter to confine a program by.
pub(super) fn no_filter(failure: Failure) -> BackendError {
    BackendError::Step {
        step: failure.step.name(),
        errno: 0,
        layer: Some("seccomp".to_owned()),
        message: failure.message,
    }
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), BackendError> {
    pipe_with(PipeFlags::CLOEXEC).map_err(BackendError::system("pipe2"))
}

/// Why a layer can't be counted on, in words.
enum Lack {
    Failed(String),
    /// Another one's failure came first.
    NotTried(String),
}

/// What is known of one layer: its value if it holds, and what was tried.
struct Found {
    verdict: Result<Option<String>, Lack>,
    tried_by: Option<String>,
}

impl Found {
    fn lacking(lack: Lack) -> Found {
        Found { verdict: Err(lack), tried_by: None }
    }
}

fn report(accepted: &[Substitute], found: impl Fn(&str) -> Found) -> Vec<ProbedLayer> {
    let one = |(layer, _): (&str, &str)| {
        let Found { verdict, tried_by } = found(layer);
        let (value, failed, untried) = match verdict {
            Ok(value) => (value, None, None),
            Err(Lack::Failed(why)) => (None, Some(why), None),
            Err(Lack::NotTried(why)) => (None, None, Some(why)),
        };
        ProbedLayer {
            layer: layer.to_owned(),
            held: failed.is_none() && untried.is_none(),
            tried: untried.is_none(),
            is_substitute: substitutes::stands_in(accepted, layer, value.as_deref()),
            value,
            tried_by,
            remedy: failed.is_some().then(|| remedy(layer)),
            message: failed.or(untried),
        }
    };
    layers::needed().map(one).collect()
}

fn remedy(layer: &str) -> String {
    let own = if layer.starts_with("cgroup-") { CGROUP_REMEDY } else { ROOT_REMEDY };
    substitutes::advice(layer).map_or_else(|| own.to_owned(), |advice| format!("{own}; {advice}"))
}

/// What a failed attempt means for one layer: the one that it names does not hold, the others were not reached.
fn blame(layer: &str, error: &BackendError) -> Lack {
    match error {
        BackendError::Step { layer: Some(named), .. } if named != layer => {
            Lack::NotTried(format!("not tried: {named} does not hold"))
        }
        other => Lack::Failed(other.to_string()),
    }
}

impl Seen {
    fn found(&self, layer: &str, settings: &Settings) -> Found {
        let shown = self.verdict(layer, settings);
        let value = shown.as_ref().ok().and_then(Option::as_deref);
        let is_substitute = substitutes::stands_in(&settings.substitutes, layer, value);
        let attempts = self.tried.iter().flat_map(|tried| tried.against(layer, is_substitute)).collect::<Vec<_>>();
        let broken = attempts.iter().find(|attempt| !attempt.is_as_promised);
        let verdict = match broken {
            Some(attempt) if shown.is_ok() => Err(format!("applied, but tried it does not hold: {attempt}")),
            _ => shown,
        };
        let words: Vec<String> = attempts.iter().map(ToString::to_string).collect();
        let tried_by = Some(words.join(", ")).filter(|words| !words.is_empty());
        Found { verdict: verdict.map_err(Lack::Failed), tried_by }
    }

    fn verdict(&self, layer: &str, settings: &Settings) -> Result<Option<String>, String> {
        let applied = self.layers.iter().find(|one| one.layer == layer).ok_or(match layer {
            "uid" => "the worker's user has no ids but its own to give",
            _ => "the forkserver did not apply it",
        })?;
        if substitutes::stands_in(&settings.substitutes, layer, applied.value.as_deref()) {
            return Ok(applied.value.clone());
        }
        self.contradiction(layer, &settings.instance, settings.uids).map_or_else(|| Ok(applied.value.clone()), Err)
    }

    /// Where what the kernel shows contradicts what a layer promises.
    fn contradiction(&self, layer: &str, instance: &str, uids: UidRange) -> Option<String> {
        let wrong = match layer {
            "capabilities" => ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]
                .into_iter()
                .any(|set| self.status(set).chars().any(|c| c != '0')),
            "no-new-privs" => self.status("NoNewPrivs") != "1",
            "seccomp" => self.status("Seccomp") != "2",
            "uid" => !self.is_slot_user(uids),
            "readonly-root" => !self.mount_options("/").split(',').any(|option| option == "ro"),
            "cgroup-memory" => !self.is_in_leaf("memory", instance),
            "cgroup-pids" => !self.is_in_leaf("pids", instance),
            "cgroup-cpu" => !self.is_in_leaf("cpu", instance),
            _ => namespace_of(layer).is_some_and(|kind| !self.posture.own_namespaces.iter().any(|own| own == kind)),
        };
        wrong.then(|| "applied, but the kernel shows the program without it".to_owned())
    }

    fn status(&self, name: &str) -> &str {
        self.posture.status.iter().find(|(key, _)| key == name).map_or("missing", |(_, value)| value.trim())
    }

    fn is_slot_user(&self, uids: UidRange) -> bool {
        let leased =
            |id: &str| id.parse().is_ok_and(|id: u32| id.checked_sub(uids.first).is_some_and(|slot| slot < uids.count));
        let all_leased = |ids: &str| ids.split_whitespace().count() == 4 && ids.split_whitespace().all(leased);
        all_leased(self.status("Uid")) && all_leased(self.status("Gid")) && self.status("Groups").is_empty()
    }

    /// In the v1 hierarchy of a controller; where there is none, in v2.
    fn is_in_leaf(&self, controller: &str, instance: &str) -> bool {
        let lines = || self.posture.cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
        let v1 = lines().find(|(controllers, _)| controllers.split(',').any(|one| one == controller));
        let place = v1.or_else(|| lines().find(|(controllers, _)| controllers.is_empty()));
        place.is_some_and(|(_, path)| path.contains(&format!("/bullpen/{instance}/")))
    }

    /// Options of the topmost mount at a place.
    fn mount_options(&self, place: &str) -> &str {
        let at = |line: &&str| line.split(' ').nth(4) == Some(place);
        self.posture.mountinfo.lines().rfind(at).and_then(|line| line.split(' ').nth(5)).unwrap_or("")
    }
}

fn namespace_of(layer: &str) -> Option<&'static str> {
    Some(match layer {
        "user-namespace" => "user",
        "pid-namespace" => "pid",
        "mount-namespace" => "mnt",
        "network-namespace" => "net",
        "ipc-namespace" => "ipc",
        "uts-namespace" => "uts",
        "cgroup-namespace" => "cgroup",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(substitutes: &[(&str, &str)]) -> Settings {
        let pair = |(layer, by): &(&str, &str)| Substitute { layer: (*layer).to_owned(), by: (*by).to_owned() };
        Settings {
            instance: "w-1".to_owned(),
            program: "/forkserver".into(),
            stage_dir: "/stage".into(),
            uids: UidRange { first: 200_000, count: 16 },
            roots: Vec::new(),
            host_roots: Vec::new(),
            substitutes: substitutes.iter().map(pair).collect(),
        }
    }

    fn seen() -> Seen {
        let status = [
            ("Uid", "200003 200003 200003 200003"),
            ("Gid", "200003 200003 200003 200003"),
            ("Groups", ""),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ];
        let capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| (set, "0000000000000000"));
        let cgroup = "8:pids:/bullpen/w-1/5\n4:memory:/a/bullpen/w-1/5\n2:cpu,cpuacct:/bullpen/w-1/5\n0::/\n";
        Seen {
            layers: layers::needed().map(|(layer, _)| Layer { layer: layer.to_owned(), value: None }).collect(),
            posture: Posture {
                status: status.into_iter().chain(capabilities).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
                own_namespaces: ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"].map(str::to_owned).to_vec(),
                cgroup: cgroup.to_owned(),
                fds: vec![0, 1, 2],
                mountinfo: "1 2 0:3 / / ro,nosuid - tmpfs root ro\n2 1 0:4 / /work rw - tmpfs work rw\n".to_owned(),
            },
            tried: None,
        }
    }

    fn broken(change: impl Fn(&mut Seen)) -> Vec<&'static str> {
        let mut seen = seen();
        change(&mut seen);
        layers::needed().map(|(layer, _)| layer).filter(|layer| seen.verdict(layer, &settings(&[])).is_err()).collect()
    }

    fn set(seen: &mut Seen, name: &str, value: &str) {
        seen.posture.status.iter_mut().find(|(key, _)| key == name).expect(name).1 = value.to_owned();
    }

    #[test]
    fn a_program_as_it_should_be_holds_every_layer() {
        assert_eq!(broken(|_| {}), Vec::<&str>::new());
    }

    #[test]
    fn each_flaw_of_the_posture_takes_away_its_layer() {
        assert_eq!(broken(|s| set(s, "CapBnd", "0000000000000400")), ["capabilities"]);
        assert_eq!(broken(|s| set(s, "Seccomp", "0")), ["seccomp"]);
        assert_eq!(broken(|s| set(s, "NoNewPrivs", "0")), ["no-new-privs"]);
        assert_eq!(broken(|s| set(s, "Groups", "0 4")), ["uid"]);
        assert_eq!(broken(|s| set(s, "Uid", "200003 0 200003 200003")), ["uid"]);
        assert_eq!(broken(|s| set(s, "Uid", "200016 200016 200016 200016")), ["uid"]);
        assert_eq!(broken(|s| s.posture.own_namespaces.retain(|n| n != "net")), ["network-namespace"]);
        assert_eq!(broken(|s| s.posture.mountinfo.push_str("3 2 0:5 / / rw - tmpfs x rw\n")), ["readonly-root"]);
        assert_eq!(
            broken(|s| s.posture.cgroup = s.posture.cgroup.replace("pids:/bullpen/w-1/", "pids:/other/")),
            ["cgroup-pids"]
        );
    }

    #[test]
    fn on_v2_all_is_in_one_leaf() {
        let v2 = |cgroup: &'static str| broken(move |seen| seen.posture.cgroup = cgroup.to_owned());
        assert_eq!(v2("0::/x/bullpen/w-1/5\n"), Vec::<&str>::new());
        assert_eq!(v2("0::/x/worker\n"), ["cgroup-memory", "cgroup-pids", "cgroup-cpu"]);
        assert_eq!(v2("8:pids:/other\n0::/x/bullpen/w-1/5\n"), ["cgroup-pids"]);
    }

    #[test]
    fn a_substitute_holds_only_where_it_is_accepted() {
        let mut seen = seen();
        set(&mut seen, "Uid", "0 0 0 0");
        let uid = seen.layers.iter_mut().find(|one| one.layer == "uid").expect("uid");
        uid.value = Some("shared".to_owned());
        assert!(seen.verdict("uid", &settings(&[])).is_err());
        let accepting = settings(&[("uid", "shared")]);
        assert_eq!(seen.verdict("uid", &accepting), Ok(Some("shared".to_owned())));
        let layers = report(&accepting.substitutes, |layer| seen.found(layer, &accepting));
        let substituted: Vec<&str> = layers.iter().filter(|one| one.is_substitute).map(|one| &*one.layer).collect();
        assert_eq!(substituted, ["uid"]);
    }

    #[test]
    fn a_layer_that_the_forkserver_does_not_name_does_not_hold() {
        assert_eq!(broken(|s| s.layers.retain(|l| l.layer != "landlock")), ["landlock"]);
    }
}
