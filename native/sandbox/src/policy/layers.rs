//! Which layer enforces which rule, and whether a backend holds all that a policy needs.

use std::collections::BTreeMap;

use super::Policy;

/// Every layer that must hold before any job, with the rule that it enforces or the fact that it makes true.
const NEEDED: [(&str, &str); 18] = [
    ("user-namespace", "the program has no privilege on the host"),
    ("pid-namespace", "it sees and signals no other process"),
    ("mount-namespace", "it sees only its own files"),
    ("network-namespace", "network.egress and network.ingress deny"),
    ("ipc-namespace", "it shares no memory segments or queues"),
    ("uts-namespace", "it has a host name of its own"),
    ("cgroup-namespace", "it sees no path of the host's control groups"),
    ("uid", "each sandbox is a user of its own"),
    ("capabilities", "it holds none"),
    ("no-new-privs", "no setuid program helps it"),
    ("readonly-root", "nothing outside its workspace can be written"),
    ("workspace-quota", "limits.diskBytes and limits.inodes"),
    ("rlimits", "limits.openFiles"),
    ("seccomp", "policy.syscalls"),
    ("landlock", "files that aren't its own are closed twice"),
    ("cgroup-memory", "limits.memoryBytes"),
    ("cgroup-pids", "limits.processes"),
    ("cgroup-cpu", "limits.cpuTimeMs and limits.cpuMillis"),
];

/// Every layer that the process backend must hold before any job, with the rule that it enforces.
pub fn needed() -> impl Iterator<Item = (&'static str, &'static str)> {
    NEEDED.into_iter()
}

/// One layer as a probe found it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbedLayer {
    pub layer: String,
    pub held: bool,
    /// False where another layer's failure came first, so that nobody can say whether it would hold.
    pub tried: bool,
    /// What it was set to or read back as.
    pub value: Option<String>,
    /// What was tried against it, and what that met. None where only the posture of a program was looked at.
    pub tried_by: Option<String>,
    /// Why it doesn't hold.
    pub message: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// It is not the layer that holds, but what the operator accepts in its place; the value names it.
    #[serde(skip)]
    pub is_substitute: bool,
}

/// What each offered backend was found to hold.
pub type Offer = BTreeMap<String, Vec<ProbedLayer>>;

/// Why no backend can run a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// A layer, or the name of a backend that is not offered.
    pub layer: String,
    pub message: String,
}

/// One entry of a policy's preference, and everything that it lacks here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub backend: String,
    pub lacks: Vec<Missing>,
}

/// The policy's preference, in its order. The first that lacks nothing is taken.
pub fn choices(policy: &Policy, offer: &Offer) -> Vec<Choice> {
    let choice = |backend: &String| Choice { backend: backend.clone(), lacks: lacks(policy, backend, offer) };
    policy.containment.iter().map(choice).collect()
}

/// The backend that is taken; otherwise what the first one lacks.
pub fn choose(choices: &[Choice]) -> Result<&str, Missing> {
    let taken = choices.iter().find(|choice| choice.lacks.is_empty());
    let first_lack = || choices.iter().find_map(|choice| choice.lacks.first().cloned());
    taken.map(|choice| &*choice.backend).ok_or_else(|| first_lack().unwrap_or_else(|| not_offered("process")))
}

/// Layers that failed come before those that were not reached for it, and both before what only this policy requires.
fn lacks(policy: &Policy, backend: &str, offer: &Offer) -> Vec<Missing> {
    let Some(layers) = offer.get(backend) else { return vec![not_offered(backend)] };
    let found = |layer: &str| layers.iter().find(|one| one.held && one.layer == layer);
    let itself = |layer: &str| found(layer).is_some_and(|one| !one.is_substitute);
    let failed = |layer: &str| !layers.iter().any(|one| one.layer == layer && !one.tried);
    let mut lacking: Vec<(&str, &str)> = needed().filter(|(layer, _)| found(layer).is_none()).collect();
    lacking.sort_by_key(|(layer, _)| !failed(layer));
    let known: Vec<&str> = lacking.iter().map(|(layer, _)| *layer).collect();
    let required = policy.require.iter().filter(|layer| !itself(layer) && !known.contains(&layer.as_str()));
    lacking.extend(required.map(|layer| (layer.as_str(), "policy.require")));
    lacking.into_iter().map(|(layer, rule)| missing(layer, rule, (backend, layers))).collect()
}

fn missing(layer: &str, rule: &str, (backend, layers): (&str, &[ProbedLayer])) -> Missing {
    let probed = layers.iter().find(|one| one.layer == layer);
    let why = match probed {
        Some(ProbedLayer { is_substitute: true, value, .. }) => {
            format!("here {} stands in for it", value.as_deref().unwrap_or("something else"))
        }
        Some(ProbedLayer { message: Some(message), .. }) => message.clone(),
        _ => format!("{backend} has no such layer"),
    };
    let remedy = probed.and_then(|one| one.remedy.clone()).map(|remedy| format!("; {remedy}")).unwrap_or_default();
    Missing { message: format!("needed for {rule}: {why}{remedy}"), layer: layer.to_owned() }
}

fn not_offered(backend: &str) -> Missing {
    Missing { layer: backend.to_owned(), message: format!("this worker doesn't offer the backend {backend}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::defaults;

    fn choose(policy: &Policy, offer: &Offer) -> Result<String, Missing> {
        super::choose(&choices(policy, offer)).map(str::to_owned)
    }

    fn holding(except: &str) -> Offer {
        let layer = |(name, _): (&str, &str)| ProbedLayer {
            layer: name.to_owned(),
            held: name != except,
            tried: true,
            value: None,
            tried_by: None,
            message: (name == except).then(|| "not on this host".to_owned()),
            remedy: None,
            is_substitute: false,
        };
        Offer::from([("process".to_owned(), needed().map(layer).collect())])
    }

    #[test]
    fn a_backend_that_holds_everything_is_chosen() {
        assert_eq!(choose(&defaults::policy(), &holding("")), Ok("process".to_owned()));
    }

    #[test]
    fn every_missing_layer_refuses_the_job_by_its_name() {
        for (layer, _) in needed() {
            assert_eq!(choose(&defaults::policy(), &holding(layer)).map_err(|m| m.layer), Err(layer.to_owned()));
        }
    }

    #[test]
    fn the_layer_that_failed_is_named_and_not_those_that_were_not_reached() {
        let mut offer = holding("cgroup-pids");
        for layer in offer.get_mut("process").into_iter().flatten().filter(|layer| layer.held) {
            (layer.held, layer.tried) = (false, false);
        }
        assert_eq!(choose(&defaults::policy(), &offer).map_err(|m| m.layer), Err("cgroup-pids".to_owned()));
    }

    #[test]
    fn a_required_layer_that_the_backend_lacks_refuses_the_job() {
        let mut policy = defaults::policy();
        policy.require = vec!["vm".to_owned()];
        assert_eq!(choose(&policy, &holding("")).map_err(|m| m.layer), Err("vm".to_owned()));
    }

    #[test]
    fn what_stands_in_for_a_layer_serves_all_but_those_that_require_it() {
        let mut offer = holding("");
        let uid = offer.values_mut().flatten().find(|one| one.layer == "uid").expect("uid");
        (uid.is_substitute, uid.value) = (true, Some("shared".to_owned()));
        let mut policy = defaults::policy();
        assert_eq!(choose(&policy, &offer), Ok("process".to_owned()));
        policy.require = vec!["uid".to_owned()];
        let refused = choose(&policy, &offer).expect_err("refused");
        assert_eq!(
            (refused.layer, refused.message),
            ("uid".to_owned(), "needed for policy.require: here shared stands in for it".to_owned())
        );
    }

    #[test]
    fn the_first_offered_backend_of_a_list_is_chosen() {
        let mut policy = defaults::policy();
        policy.containment = vec!["microvm".to_owned(), "process".to_owned()];
        assert_eq!(choose(&policy, &holding("")), Ok("process".to_owned()));
        policy.containment = vec!["microvm".to_owned(), "oci".to_owned()];
        assert_eq!(choose(&policy, &holding("")).map_err(|m| m.layer), Err("microvm".to_owned()));
    }
}
