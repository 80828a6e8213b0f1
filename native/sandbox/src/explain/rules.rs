//! The rules of an effective policy, field by field.

use serde_json::{Value, json};

use crate::config::WorkerConfig;
use crate::door::document::{JobDocument, JobPolicy, PolicyDocument};
use crate::policy::{self, Policy};

/// Each field, the layers that enforce it, and how.
const RULES: [(&str, &[&str], &str); 23] = [
    ("policy.containment", &[], "the first backend that is offered here and holds everything"),
    (
        "policy.filesystem.readonlyPaths",
        &["mount-namespace", "readonly-root", "landlock"],
        "read-only mounts; only reading by Landlock",
    ),
    ("policy.filesystem.readwritePaths", &["mount-namespace", "landlock"], "mounts of the operator's directories"),
    ("policy.filesystem.deniedPaths", &["mount-namespace"], "covered by what can't be opened"),
    ("policy.network.egress", &["network-namespace", "seccomp", "landlock"], "an empty network: nothing leads out"),
    ("policy.network.ingress", &["network-namespace"], "an empty network: nothing leads in"),
    ("policy.network.loopback", &["network-namespace", "seccomp", "landlock"], "deny: no INET socket, no TCP"),
    ("policy.limits.wallTimeMs", &[], "the forkserver's clock, which kills the whole pid namespace"),
    ("policy.limits.cpuTimeMs", &["cgroup-cpu"], "CPU time of the leaf, looked at by the forkserver, which kills"),
    ("policy.limits.memoryBytes", &["cgroup-memory"], "the leaf's limit; the kernel kills"),
    ("policy.limits.processes", &["cgroup-pids"], "the leaf's limit; more are refused"),
    ("policy.limits.cpuMillis", &["cgroup-cpu"], "the leaf's quota; more is throttled"),
    ("policy.limits.outputBytes", &[], "counted by the worker as it drains the pipes"),
    ("policy.limits.diskBytes", &["workspace-quota"], "the size of the one file system that can be written"),
    ("policy.limits.inodes", &["workspace-quota"], "the inodes of the one file system that can be written"),
    ("policy.limits.openFiles", &["rlimits"], "RLIMIT_NOFILE; more are refused"),
    ("policy.limits.artifacts", &[], "counted by the worker when it collects"),
    ("policy.limits.artifactBytes", &[], "counted by the worker when it collects"),
    ("policy.limits.outputOverflow", &[], "what the worker does above outputBytes"),
    ("policy.syscalls", &["seccomp", "no-new-privs"], "the filter of this name"),
    ("policy.require", &[], "these layers themselves, no substitutes"),
    ("attempts", &[], "the queue counts how often the code began"),
    ("env", &[], "given to the program when it is confined already"),
];

/// Every rule of a policy.
pub fn of(job: &JobDocument, policy: &Policy, config: &WorkerConfig) -> Vec<Value> {
    let ceiling = ceilings(config);
    let shown = values(job, policy);
    let rule = |(field, layers, by): (&str, &[&str], &str)| {
        json!({
            "field": field,
            "value": shown.pointer(&pointer(field)),
            "from": origin(field, job, config),
            "ceiling": ceiling.pointer(&pointer(field)),
            "layers": layers,
            "by": by,
        })
    };
    RULES.into_iter().map(rule).collect()
}

fn pointer(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

/// The policy in the places of a job document. Values of the environment are the job's own affair: names only.
fn values(job: &JobDocument, policy: &Policy) -> Value {
    let mut limits = serde_json::to_value(&policy.limits).unwrap_or_default();
    limits["outputOverflow"] = json!(policy.output_overflow);
    json!({
        "policy": {
            "containment": policy.containment,
            "filesystem": policy.filesystem,
            "network": { "egress": "deny", "ingress": "deny", "loopback": policy.loopback },
            "limits": limits,
            "syscalls": policy.syscalls,
            "require": policy.require,
        },
        "attempts": job.attempts.unwrap_or(1),
        "env": job.env.keys().collect::<Vec<_>>(),
    })
}

/// The operator's maxima in the same places.
fn ceilings(config: &WorkerConfig) -> Value {
    let ceiling = policy::ceiling(config);
    let roots = |access: &[crate::config::RootAccess]| {
        let allowed = config.roots.iter().filter(|root| access.contains(&root.access));
        allowed.map(|root| root.path.clone()).collect::<Vec<_>>()
    };
    use crate::config::RootAccess::{Readonly, Readwrite};
    json!({
        "policy": {
            "containment": config.backends,
            "filesystem": { "readonlyPaths": roots(&[Readonly, Readwrite]), "readwritePaths": roots(&[Readwrite]) },
            "network": { "egress": "deny", "ingress": "deny", "loopback": ceiling.loopback },
            "limits": ceiling.limits,
            "syscalls": ceiling.syscalls,
        },
        "attempts": ceiling.attempts,
    })
}

/// Who said it: the job, the policy that it names, the operator's defaults, or nobody.
fn origin(field: &str, job: &JobDocument, config: &WorkerConfig) -> &'static str {
    let own = policy::own_document(job, config);
    let named = matches!(job.policy, Some(JobPolicy::Named(_)));
    match field {
        "attempts" if job.attempts.is_some() => "job",
        "env" if !job.env.is_empty() => "job",
        "attempts" | "env" => "built-in",
        _ if own.is_some_and(|document| gives(document, field)) => match named {
            true => "named policy",
            false => "job",
        },
        _ if gives(&config.defaults, field) => "operator default",
        _ => "built-in",
    }
}

/// Whether a policy document says anything about a field.
fn gives(document: &PolicyDocument, field: &str) -> bool {
    let limits = serde_json::to_value(document.limits.by_name()).unwrap_or_default();
    match field {
        "policy.containment" => document.containment.is_some(),
        "policy.filesystem.readonlyPaths" => document.filesystem.readonly_paths.is_some(),
        "policy.filesystem.readwritePaths" => document.filesystem.readwrite_paths.is_some(),
        "policy.filesystem.deniedPaths" => document.filesystem.denied_paths.is_some(),
        "policy.network.egress" => document.network.egress.default.is_some(),
        "policy.network.ingress" => document.network.ingress.default.is_some(),
        "policy.network.loopback" => document.network.loopback.is_some(),
        "policy.limits.outputOverflow" => document.limits.output_overflow.is_some(),
        "policy.syscalls" => document.syscalls.is_some(),
        "policy.require" => document.require.is_some(),
        limit => limit.strip_prefix("policy.limits.").is_some_and(|name| !limits[name].is_null()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::defaults;

    /// Every leaf of a value, as the path to it.
    fn leaves(value: &Value, path: String, all: &mut Vec<String>) {
        match value.as_object() {
            Some(fields) => fields.iter().for_each(|(name, inner)| leaves(inner, format!("{path}.{name}"), all)),
            None => all.push(path.trim_start_matches('.').to_owned()),
        }
    }

    #[test]
    fn every_field_of_an_effective_policy_has_its_rule() {
        let document = json!({ "kind": "job", "version": 1, "runtime": "python", "source": "", "cwd": "/work", "tenant": "default" });
        let job = crate::door::parse_job(document.to_string().as_bytes(), 4096).expect("a job");
        let mut fields = Vec::new();
        leaves(&values(&job, &defaults::policy()), String::new(), &mut fields);
        let mut known: Vec<&str> = RULES.iter().map(|(field, _, _)| *field).collect();
        fields.sort();
        known.sort_unstable();
        assert_eq!(fields, known);
        let decided = serde_json::to_value(defaults::policy()).expect("plain data");
        assert_eq!(decided.as_object().expect("fields").len(), 7, "a field more needs a rule more");
    }

    #[test]
    fn a_rule_names_only_layers_that_are_held() {
        let known: Vec<&str> = crate::policy::layers::needed().map(|(layer, _)| layer).collect();
        assert!(RULES.iter().flat_map(|(_, layers, _)| *layers).all(|layer| known.contains(layer)));
    }

    #[test]
    fn each_field_comes_from_whoever_says_it() {
        let config: WorkerConfig = serde_json::from_value(json!({
            "version": 1,
            "defaults": { "limits": { "inodes": 50 } },
            "policies": { "p": { "syscalls": "compatible" } },
        }))
        .expect("a configuration");
        let job = |policy: Value| {
            let job = json!({ "kind": "job", "version": 1, "runtime": "python", "source": "", "policy": policy });
            crate::door::parse_job(job.to_string().as_bytes(), 4096).expect("a job")
        };
        let from = |policy: Value, field: &str| origin(field, &job(policy), &config);
        assert_eq!(from(json!({ "limits": { "inodes": 60 } }), "policy.limits.inodes"), "job");
        assert_eq!(from(json!({}), "policy.limits.inodes"), "operator default");
        assert_eq!(from(json!({ "name": "p" }), "policy.syscalls"), "named policy");
        assert_eq!(from(json!({ "name": "p" }), "policy.require"), "built-in");
    }
}
