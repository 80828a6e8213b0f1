//! From job, policy and runtime to a plan: everything that will be done, as data. Pure; no disk, no privilege.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forkserver::wire::{ClaimLimits, ExecSpec};
use serde::Serialize;

use crate::backend::Template;
use crate::door::document::{JobDocument, Loopback, Syscalls};
use crate::door::{self, Issue};
use crate::failure::Failure;
use crate::policy::{LimitSet, Policy};
use crate::runtime::Runtime;
use crate::seccomp::{self, Profile, Sockets};

/// The job's workspace, as it sees it.
const WORK: &str = "/work";

/// What every program finds in its environment; the runtime's goes over it, and in the run step the job's over that.
const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", WORK), ("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("TMPDIR", "/tmp")];

/// Everything that is to be done for one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    pub template: Template,
    pub limits: ClaimLimits,
    /// The programs to run, one after the other: the build, if there is one, and the run.
    pub steps: Vec<Step>,
}

/// One program to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub phase: Phase,
    pub wall_time_ms: u64,
    pub cpu_time_ms: u64,
    pub spec: ExecSpec,
}

/// Which step of a job: the runtime's build, or the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Build,
    Run,
}

/// Plans a job. `backend` holds everything that the policy asks for.
pub fn make(job: &JobDocument, policy: &Policy, runtime: &Runtime, backend: &str) -> Result<Plan, Failure> {
    let mut steps = Vec::new();
    if let (Some(build), Some(_)) = (&runtime.build, &job.source) {
        let (wall_time_ms, cpu_time_ms) = (build.wall_time_ms, build.cpu_time_ms);
        // Without the job's own variables: some make a compiler run programs of the job's (GCC_EXEC_PREFIX, COMPILER_PATH).
        let spec = spec(build.argv.clone(), environment(&runtime.env, None), WORK, policy)?;
        steps.push(Step { phase: Phase::Build, wall_time_ms, cpu_time_ms, spec });
    }
    steps.push(Step {
        phase: Phase::Run,
        wall_time_ms: policy.limits.wall_time_ms,
        cpu_time_ms: policy.limits.cpu_time_ms,
        spec: spec(program(job, runtime), environment(&runtime.env, Some(&job.env)), &job.cwd, policy)?,
    });
    let template = Template { backend: backend.to_owned(), root: runtime.root.clone(), loopback: policy.loopback };
    Ok(Plan { template, limits: claim(&policy.limits), steps })
}

/// Checks that no file of a job stands where its source goes.
pub fn check_reserved(job: &JobDocument, runtime: &Runtime) -> Result<(), Issue> {
    let reserved = |path: &str| job.source.is_some() && door::collide(&runtime.main_file, path);
    match job.files.iter().position(|file| reserved(&file.path)) {
        Some(index) => {
            Err(Issue::at(format!("files[{index}].path"), "reserved-path", "must not be where the job's source goes"))
        }
        None => Ok(()),
    }
}

/// A job's limits on its sandbox.
pub fn claim(limits: &LimitSet) -> ClaimLimits {
    ClaimLimits {
        memory_bytes: limits.memory_bytes,
        processes: limits.processes,
        cpu_millis: limits.cpu_millis,
        disk_bytes: limits.disk_bytes,
        inodes: limits.inodes,
    }
}

/// A program that stays until its stdin ends, to look at.
pub fn probe_spec(policy: &Policy) -> Result<ExecSpec, Failure> {
    spec(vec!["cat".to_owned()], environment(&Variables::new(), None), WORK, policy)
}

fn program(job: &JobDocument, runtime: &Runtime) -> Vec<String> {
    let start = job.command.clone().unwrap_or_else(|| source_program(runtime, &job.cwd));
    start.into_iter().chain(job.args.iter().cloned()).collect()
}

/// How a source is started: the runtime's words, which are relative to `/work`. From another working directory the source and
/// what was built of it are named by their whole paths.
fn source_program(runtime: &Runtime, cwd: &str) -> Vec<String> {
    let whole = |word: &String| match word.strip_prefix("./") {
        Some(built) => format!("{WORK}/{built}"),
        None if *word == runtime.main_file => format!("{WORK}/{word}"),
        None => word.clone(),
    };
    if cwd == WORK { runtime.argv.clone() } else { runtime.argv.iter().map(whole).collect() }
}

type Variables = BTreeMap<String, String>;

fn environment(runtime: &Variables, job: Option<&Variables>) -> Vec<(String, String)> {
    let mut all = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    for (name, value) in runtime.iter().chain(job.into_iter().flatten()) {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1.clone_from(value),
            None => all.push((name.clone(), value.clone())),
        }
    }
    all
}

fn spec(argv: Vec<String>, env: Vec<(String, String)>, cwd: &str, policy: &Policy) -> Result<ExecSpec, Failure> {
    Ok(ExecSpec {
        argv,
        env,
        cwd: cwd.to_owned(),
        open_files: policy.limits.open_files,
        file_size_bytes: largest_file(policy.limits.disk_bytes),
        seccomp: filter(policy.syscalls, sockets(policy))?,
        landlock_deny_tcp: policy.loopback == Loopback::Deny,
        trial: None,
    })
}

/// One page more than the disk holds, which is whole pages: what is written in order meets the full disk, whose evidence
/// is the kernel's, before this limit, whose signal anybody can send.
fn largest_file(disk_bytes: u64) -> u64 {
    (disk_bytes.div_ceil(PAGE) + 1) * PAGE
}

/// Bytes of a page on every architecture that we run on.
const PAGE: u64 = 4096;

/// Every filter that a policy can ask for, compiled once.
static FILTERS: LazyLock<HashMap<(Syscalls, Sockets), Result<String, Failure>>> = LazyLock::new(|| {
    let profiles = [(Syscalls::Strict, Profile::Strict), (Syscalls::Compatible, Profile::Compatible)];
    let all = [Sockets::Local, Sockets::Loopback, Sockets::Pairs, Sockets::LoopbackPairs];
    let compile = |profile: Profile, sockets: Sockets| {
        let filter = seccomp::compile(profile, sockets).map_err(|error| Failure::seccomp(&error))?;
        Ok(STANDARD.encode(filter.as_bytes()))
    };
    let each = |(syscalls, profile)| all.map(|sockets| ((syscalls, sockets), compile(profile, sockets)));
    profiles.into_iter().flat_map(each).collect()
});

fn filter(syscalls: Syscalls, sockets: Sockets) -> Result<String, Failure> {
    FILTERS[&(syscalls, sockets)].clone()
}

/// Among host paths there may be a socket that a process of the host listens on: a job that has any opens no Unix socket.
fn sockets(policy: &Policy) -> Sockets {
    match (policy.loopback, policy.host_paths.is_empty()) {
        (Loopback::Deny, true) => Sockets::Local,
        (Loopback::Private, true) => Sockets::Loopback,
        (Loopback::Deny, false) => Sockets::Pairs,
        (Loopback::Private, false) => Sockets::LoopbackPairs,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::WorkerConfig;
    use crate::policy;
    use crate::runtime::Catalogue;

    fn config(more: Value) -> WorkerConfig {
        let mut config = json!({ "version": 1 });
        config.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        serde_json::from_value(config).expect("a configuration")
    }

    fn plan(job: Value, config: &WorkerConfig) -> Plan {
        let bytes = serde_json::to_vec(&job).expect("JSON");
        let job = door::parse_job(&bytes, door::JOB_MAX_BYTES).expect("a job");
        let policy = policy::resolve(&job, config).expect("a policy");
        make(&job, &policy, &Catalogue::of(config).runtimes[&job.runtime], "process").expect("a plan")
    }

    /// Compares with a golden file; with `UPDATE_GOLDEN` set, writes it.
    fn golden(name: &str, plan: &Plan) {
        let mut shown = serde_json::to_value(plan).expect("plain data");
        for step in shown["steps"].as_array_mut().expect("steps") {
            step["spec"]["seccomp"] = json!(filter_name(step["spec"]["seccomp"].as_str().expect("text")));
        }
        let text = serde_json::to_string_pretty(&shown).expect("JSON") + "\n";
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &text).expect("written");
        }
        assert_eq!(
            text,
            std::fs::read_to_string(&file).expect(name),
            "{name}: set UPDATE_GOLDEN=1 if this is intended"
        );
    }

    fn filter_name(bytes: &str) -> String {
        let known = FILTERS.iter().find(|(_, filter)| filter.as_ref().is_ok_and(|one| one == bytes));
        known.map(|((syscalls, sockets), _)| format!("{syscalls:?} {sockets:?}")).expect("a known filter")
    }

    fn job(more: Value) -> Value {
        let mut job = json!({ "kind": "job", "version": 1, "runtime": "python" });
        job.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
        job
    }

    #[test]
    fn source_is_run_by_its_runtime() {
        golden("source.json", &plan(job(json!({ "source": "print(1)", "args": ["a", "b"] })), &config(json!({}))));
    }

    #[test]
    fn a_runtime_with_a_build_has_two_steps() {
        golden(
            "build.json",
            &plan(
                job(
                    json!({ "runtime": "c", "source": "int main(){}", "args": ["x"], "env": { "COMPILER_PATH": "/work" } }),
                ),
                &config(json!({})),
            ),
        );
    }

    #[test]
    fn a_build_is_held_to_the_operators_ceilings_of_time() {
        let times = |ceilings: Value| {
            let config = config(json!({ "ceilings": { "limits": ceilings } }));
            let limits = json!({ "wallTimeMs": 500, "cpuTimeMs": 500 });
            let job = job(json!({ "runtime": "c", "source": "", "policy": { "limits": limits } }));
            let steps = plan(job, &config).steps;
            steps.iter().map(|step| (step.wall_time_ms, step.cpu_time_ms)).collect::<Vec<_>>()
        };
        assert_eq!(times(json!({})), [(30_000, 30_000), (500, 500)]);
        assert_eq!(times(json!({ "wallTimeMs": 1_000, "cpuTimeMs": 600 })), [(1_000, 600), (500, 500)]);
    }

    #[test]
    fn from_another_directory_a_source_is_started_by_its_whole_path() {
        let argv = |runtime: &str, cwd: &str| {
            let job = job(json!({ "runtime": runtime, "source": "", "cwd": cwd, "args": ["main.py"] }));
            plan(job, &config(json!({}))).steps.pop().expect("a step").spec.argv
        };
        assert_eq!(argv("python", "/work"), ["/usr/bin/python3", "main.py", "main.py"]);
        assert_eq!(argv("python", "/tmp"), ["/usr/bin/python3", "/work/main.py", "main.py"]);
        assert_eq!(argv("c", "/"), ["/work/main", "main.py"]);
    }

    #[test]
    fn a_command_is_run_as_it_is_under_its_own_policy() {
        let limits = json!({ "wallTimeMs": 1, "cpuTimeMs": 2, "memoryBytes": 8388608, "processes": 3, "cpuMillis": 10, "diskBytes": 65536, "inodes": 16, "openFiles": 16 });
        let policy = json!({ "limits": limits, "syscalls": "compatible", "network": { "loopback": "private" } });
        let job = job(
            json!({ "runtime": "c", "command": ["sh", "-c", "true"], "cwd": "/tmp", "env": { "PATH": "/x", "Z": "1", "A": "2" }, "policy": policy }),
        );
        golden("command.json", &plan(job, &config(json!({}))));
    }

    #[test]
    fn a_runtime_of_the_configuration_needs_no_code() {
        let perl = json!({ "mainFile": "main.pl", "argv": ["/usr/bin/perl", "main.pl"], "interpreter": "/usr/bin/perl", "root": "debian", "env": { "LANG": "C" } });
        golden(
            "configured.json",
            &plan(
                job(json!({ "runtime": "perl", "source": "print 1" })),
                &config(json!({ "runtimes": { "perl": perl } })),
            ),
        );
    }

    #[test]
    fn a_file_may_not_take_the_place_of_the_source() {
        let catalogue = Catalogue::of(&config(json!({})));
        let verdict = |path: &str, program: Value| {
            let mut job = job(json!({ "files": [{ "path": "a", "text": "" }, { "path": path, "text": "" }] }));
            job.as_object_mut().expect("object").extend(program.as_object().expect("object").clone());
            let job = door::parse_job(&serde_json::to_vec(&job).expect("JSON"), door::JOB_MAX_BYTES).expect("a job");
            check_reserved(&job, &catalogue.runtimes["python"]).map_err(|issue| (issue.path, issue.rule))
        };
        let refused = Err(("files[1].path".to_owned(), "reserved-path".to_owned()));
        assert_eq!(verdict("main.py", json!({ "source": "" })), refused);
        assert_eq!(verdict("Main.PY/x", json!({ "source": "" })), refused);
        assert_eq!(verdict("main.py", json!({ "command": ["true"] })), Ok(()));
    }
}
