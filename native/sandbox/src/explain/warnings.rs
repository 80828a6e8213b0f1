//! What is allowed and may be more than was meant.

use serde_json::{Value, json};

use crate::config::WorkerConfig;
use crate::door::document::{JobDocument, Loopback, Overflow, Syscalls};
use crate::policy::{self, Policy};

/// Variables that make an interpreter or the dynamic linker load or run something else, by their beginning.
const LOADERS: [&str; 14] = [
    "LD_",
    "GCONV_PATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "BASH_ENV",
    "ENV",
    "PATH",
    "JAVA_TOOL_OPTIONS",
];
/// Kept output above this with `truncate` is a lot to carry for what nobody waits for. Bytes.
const MUCH_OUTPUT: u64 = 4 << 20;
/// A wall time of this many times the CPU time holds a slot for a program that sleeps.
const FAR_ABOVE: u64 = 10;

/// Warnings about a policy that may well be valid.
pub fn of(job: &JobDocument, policy: &Policy, config: &WorkerConfig) -> Vec<Value> {
    let mut all = Vec::new();
    let mut warn = |field: String, code: &str, message: String| {
        all.push(json!({ "field": field, "code": code, "message": message }));
    };
    for (index, path) in policy.filesystem.readwrite.iter().enumerate() {
        let message =
            format!("{path} can be written: what is written there stays, and counts against no limit of the job");
        warn(format!("policy.filesystem.readwritePaths[{index}]"), "writable-host-path", message);
    }
    for path in &policy.host_paths {
        if path.plan.below.is_empty() {
            warn(path.field.clone(), "whole-root", "all of a directory that the operator lists is granted".to_owned());
        }
    }
    if policy.syscalls == Syscalls::Compatible {
        let message = "all but the dangerous calls are allowed: more of the kernel can be reached than with strict";
        warn("policy.syscalls".to_owned(), "weaker-profile", message.to_owned());
    }
    if policy.loopback == Loopback::Private {
        let message = "INET sockets work among the job's own processes, and their memory comes on top of memoryBytes";
        warn("policy.network.loopback".to_owned(), "sockets", message.to_owned());
    }
    let limits = &policy.limits;
    if limits.wall_time_ms >= limits.cpu_time_ms.saturating_mul(FAR_ABOVE) {
        let message = format!("{FAR_ABOVE} times cpuTimeMs or more: a program that sleeps holds a slot for so long");
        warn("policy.limits.wallTimeMs".to_owned(), "long-wait", message);
    }
    if policy.output_overflow == Overflow::Truncate && limits.output_bytes >= MUCH_OUTPUT {
        let message = "a program may write without end, and this much of each stream is kept and carried";
        warn("policy.limits.outputOverflow".to_owned(), "much-output", message.to_owned());
    }
    let ceiling = policy::ceiling(config).limits.numbers();
    for ((name, is), most) in policy::LIMIT_NAMES.iter().zip(limits.numbers()).zip(ceiling) {
        if is == most {
            warn(format!("policy.limits.{name}"), "at-ceiling", "the most that the operator allows".to_owned());
        }
    }
    for name in job.env.keys().filter(|name| LOADERS.iter().any(|loader| is_of(name, loader))) {
        let message = "changes what an interpreter loads or runs; it is still inside of the sandbox";
        warn(format!("env.{name}"), "changes-interpreter", message.to_owned());
    }
    if job.attempts.is_some_and(|attempts| attempts > 1) {
        warn("attempts".to_owned(), "may-begin-again", "the code may begin more than once".to_owned());
    }
    all
}

/// A family of names ends with `_`.
fn is_of(name: &str, loader: &str) -> bool {
    name == loader || (loader.ends_with('_') && name.starts_with(loader))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(more: Value) -> Vec<String> {
        let config = json!({ "version": 1, "roots": [{ "path": "/srv", "access": "readwrite" }] });
        let config: WorkerConfig = serde_json::from_value(config).expect("a configuration");
        let mut job = json!({ "kind": "job", "version": 1, "runtime": "python", "source": "" });
        job.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        let job = crate::door::parse_job(job.to_string().as_bytes(), 4096).expect("a job");
        let (policy, _) = policy::judge(&job, &config);
        of(&job, &policy, &config).iter().map(|one| one["code"].as_str().expect("text").to_owned()).collect()
    }

    #[test]
    fn a_closed_policy_has_none() {
        assert_eq!(codes(json!({})), Vec::<String>::new());
        assert_eq!(codes(json!({ "env": { "LDX": "1", "PATHS": "2" }, "attempts": 1 })), Vec::<String>::new());
    }

    #[test]
    fn each_wide_grant_has_its_own() {
        let policy = |policy: Value| codes(json!({ "policy": policy }));
        let paths = policy(json!({ "filesystem": { "readwritePaths": ["/srv"] } }));
        assert_eq!(paths, ["writable-host-path", "whole-root"]);
        assert_eq!(policy(json!({ "syscalls": "compatible" })), ["weaker-profile"]);
        assert_eq!(policy(json!({ "network": { "loopback": "private" } })), ["sockets"]);
        assert_eq!(policy(json!({ "limits": { "wallTimeMs": 100_000 } })), ["long-wait"]);
        assert_eq!(policy(json!({ "limits": { "openFiles": 4096 } })), ["at-ceiling"]);
        let output = json!({ "limits": { "outputOverflow": "truncate", "outputBytes": 8_000_000 } });
        assert_eq!(policy(output), ["much-output"]);
        assert_eq!(codes(json!({ "env": { "LD_PRELOAD": "x", "NODE_OPTIONS": "y" } })), ["changes-interpreter"; 2]);
        assert_eq!(codes(json!({ "attempts": 2 })), ["may-begin-again"]);
    }
}
