use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::document::{File, Filesystem, JobDocument, Limits, Network, PolicyDocument};
use super::schema::properties;
use super::*;
use crate::config::{CeilingLimits, Ceilings, HttpConfig, PoolConfig, RootConfig, UidRange, WorkerConfig};
use crate::runtime::{Build, Etc, RootFilesystem, Runtime};

/// Field names of a struct, as serde names them when it meets one that isn't there.
fn fields_of<T: DeserializeOwned>() -> Vec<String> {
    let Err(error) = serde_json::from_value::<T>(json!({ "no such field": 0 })) else { panic!("the struct is open") };
    let message = error.to_string();
    let (_, names) = message.split_once("expected").expect("serde names the fields");
    let mut names: Vec<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn structs_have_exactly_the_fields_of_the_schemas() {
    use Document::{Job, Policy, WorkerConfig as Worker};
    assert_eq!(fields_of::<JobDocument>(), properties(Job, ""));
    assert_eq!(fields_of::<document::Content>(), properties(Job, "/$defs/content"));
    assert_eq!(fields_of::<File>(), properties(Job, "/$defs/inputFile"));
    assert_eq!(fields_of::<PolicyDocument>(), properties(Policy, ""));
    assert_eq!(fields_of::<Filesystem>(), properties(Policy, "/$defs/filesystem"));
    assert_eq!(fields_of::<Network>(), properties(Policy, "/$defs/network"));
    assert_eq!(fields_of::<document::Egress>(), properties(Policy, "/$defs/egress"));
    assert_eq!(fields_of::<document::Ingress>(), properties(Policy, "/$defs/ingress"));
    assert_eq!(fields_of::<document::TrafficRule>(), properties(Policy, "/$defs/trafficRule"));
    assert_eq!(fields_of::<document::AddressBlock>(), properties(Policy, "/$defs/addressBlock"));
    assert_eq!(fields_of::<document::PortRange>(), properties(Policy, "/$defs/portRange"));
    assert_eq!(fields_of::<Limits>(), properties(Policy, "/$defs/limits"));
    assert_eq!(fields_of::<WorkerConfig>(), properties(Worker, ""));
    assert_eq!(fields_of::<Runtime>(), properties(Worker, "/$defs/runtime"));
    assert_eq!(fields_of::<Build>(), properties(Worker, "/$defs/runtime/properties/build"));
    assert_eq!(fields_of::<RootFilesystem>(), properties(Worker, "/$defs/rootFilesystem"));
    assert_eq!(fields_of::<Etc>(), properties(Worker, "/$defs/rootFilesystem/properties/etc"));
    assert_eq!(fields_of::<Ceilings>(), properties(Worker, "/$defs/ceilings"));
    assert_eq!(fields_of::<CeilingLimits>(), properties(Worker, "/$defs/ceilingLimits"));
    assert_eq!(fields_of::<PoolConfig>(), properties(Worker, "/$defs/pool"));
    assert_eq!(fields_of::<RootConfig>(), properties(Worker, "/$defs/hostRoot"));
    assert_eq!(fields_of::<UidRange>(), properties(Worker, "/$defs/uidRange"));
    assert_eq!(fields_of::<HttpConfig>(), properties(Worker, "/$defs/http"));
}

fn verdict(job: Value) -> String {
    verdict_of(&serde_json::to_vec(&job).expect("JSON"))
}

fn verdict_of(bytes: &[u8]) -> String {
    match parse_job(bytes, JOB_MAX_BYTES) {
        Ok(_) => "valid".to_owned(),
        Err(issues) => format!("{}@{}", issues[0].rule, issues[0].path),
    }
}

fn with(field: &str, value: Value) -> Value {
    let mut job = json!({ "kind": "job", "version": 1, "runtime": "python", "source": "" });
    job[field] = value;
    job
}

#[test]
fn a_missing_an_empty_and_an_invalid_list_are_three_things() {
    assert_eq!(verdict(json!({ "kind": "job", "version": 1, "runtime": "python", "source": "" })), "valid");
    for list in ["files", "args", "artifacts"] {
        assert_eq!(verdict(with(list, json!([]))), "valid", "{list}");
        assert_eq!(verdict(with(list, json!(null))), format!("type@{list}"));
        assert_eq!(verdict(with(list, json!([1]))), format!("type@{list}[0]"));
    }
}

#[test]
fn the_path_of_an_issue_names_the_field() {
    assert_eq!(verdict(json!({ "kind": "job", "version": 1, "source": "" })), "required@runtime");
    assert_eq!(verdict(with("sourc", json!(1))), "additionalProperties@sourc");
    assert_eq!(verdict(with("policy", json!({ "netwrok": {} }))), "additionalProperties@policy.netwrok");
    assert_eq!(verdict(with("policy", json!({ "limits": { "memoryBytes": 1 } }))), "minimum@policy.limits.memoryBytes");
    assert_eq!(verdict(with("policy", json!({ "name": "a b" }))), "pattern@policy.name");
    assert_eq!(verdict(with("files", json!([{ "path": "../x", "text": "" }]))), "path@files[0].path");
    assert_eq!(verdict(with("env", json!({ "A": "\u{0}" }))), "nul@env.A");
    assert_eq!(verdict(json!(3)), "type@");
}

#[test]
fn what_can_not_be_enforced_is_refused_by_name() {
    let policy = |policy: Value| verdict(with("policy", policy));
    assert_eq!(
        policy(json!({ "network": { "egress": { "default": "allow" } } })),
        "not-enforceable@policy.network.egress.default"
    );
    assert_eq!(
        policy(json!({ "network": { "ingress": { "hostLoopback": "allow" } } })),
        "not-enforceable@policy.network.ingress.hostLoopback"
    );
    assert_eq!(policy(json!({ "network": { "egress": { "deny": [{ "to": [{ "cidr": "10.0.0.0/8" }] }] } } })), "valid");
    assert_eq!(
        policy(json!({ "network": { "egress": { "deny": [{ "to": [{ "cidr": "10.0.0.0/33" }] }] } } })),
        "cidr@policy.network.egress.deny[0].to[0].cidr"
    );
}

#[test]
fn host_paths_are_judged_by_their_names_first() {
    let list = |list: &str, path: &str| verdict(with("policy", json!({ "filesystem": { list: ["/ok", path] } })));
    for path in ["/srv", "/srv/data/a b", "/proc2", "/...", "/a/.b", "/work2/é"] {
        for name in ["readonlyPaths", "readwritePaths", "deniedPaths"] {
            assert_eq!(list(name, path), "valid", "{path}");
        }
    }
    for path in ["//", "/srv/", "/srv//a", "/srv/./a", "/srv/../a", "/..", "/.", "/a\nb"] {
        assert_eq!(list("readonlyPaths", path), "path@policy.filesystem.readonlyPaths[1]", "{path}");
        assert_eq!(list("deniedPaths", path), "path@policy.filesystem.deniedPaths[1]", "{path}");
    }
    for path in ["/", "/proc", "/proc/1", "/dev/null", "/etc/passwd", "/work/a", "/tmp"] {
        assert_eq!(list("readwritePaths", path), "reserved-path@policy.filesystem.readwritePaths[1]", "{path}");
        assert_eq!(list("deniedPaths", path), "reserved-path@policy.filesystem.deniedPaths[1]", "{path}");
    }
    assert_eq!(list("readonlyPaths", "/sys/fs"), "reserved-path@policy.filesystem.readonlyPaths[1]");
    assert_eq!(list("deniedPaths", "/sys/fs"), "valid");
    let long = |count: usize| json!({ "filesystem": { "readonlyPaths": vec![format!("/{}", "x/".repeat(1023) + "y"); count] } });
    assert_eq!(verdict(with("policy", long(12))), "valid");
    assert_eq!(verdict(with("policy", long(13))), "size@policy.filesystem");
    assert_eq!(list("readonlyPaths", &format!("/{}", "x".repeat(256))), "path@policy.filesystem.readonlyPaths[1]");
}

#[test]
fn sizes_are_those_of_bytes_and_exact() {
    assert_eq!(verdict(with("args", json!(["é".repeat(65_535)]))), "valid");
    assert_eq!(verdict(with("args", json!(["é".repeat(65_536)]))), "size@args[0]");
    let mut document = serde_json::to_vec(&with("labels", json!({}))).expect("JSON");
    document.resize(JOB_MAX_BYTES, b' ');
    assert_eq!(verdict_of(&document), "valid");
    document.push(b' ');
    assert_eq!(verdict_of(&document), "size@");
}

fn judge(kind: &str, bytes: &[u8]) -> Result<(), Vec<Issue>> {
    let document = match kind {
        "job" => return parse_job(bytes, JOB_MAX_BYTES).map(drop),
        "policy" => Document::Policy,
        "result" => Document::Result,
        "audit" => Document::Audit,
        "worker-config" => Document::WorkerConfig,
        other => panic!("examples of an unknown kind {other}"),
    };
    let value = read_value(bytes, JOB_MAX_BYTES).map_err(|issue| vec![issue])?;
    none(check(document, &value))?;
    match document {
        Document::Policy => none(policy_rules::check("", &serde_json::from_value(value).expect("a policy"))),
        Document::WorkerConfig => crate::config::check_rules(&serde_json::from_value(value).expect("a configuration"))
            .map_err(|issue| vec![issue]),
        Document::Result => none(one_form_each(&value)),
        Document::Job | Document::Audit => Ok(()),
    }
}

/// The rule of results: each content in exactly one form.
fn one_form_each(result: &Value) -> Vec<Issue> {
    let streams = ["/stdout", "/stderr", "/build/stdout", "/build/stderr"]
        .map(|at| (at[1..].replace('/', "."), result.pointer(at)));
    let artifacts = result["artifacts"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .map(|(index, one)| (format!("artifacts[{index}]"), Some(one)));
    let contents = streams.into_iter().chain(artifacts).filter_map(|(path, one)| one.map(|one| (path, one)));
    let forms = |one: &Value| ["text", "base64", "blob"].into_iter().filter(|form| one.get(form).is_some()).count();
    let wrong = contents.filter(|(_, one)| one.get("rejected").is_none() && forms(one) != 1);
    wrong.map(|(path, _)| Issue::at(path, "exactly-one-of", "must have exactly one of text, base64, blob")).collect()
}

#[test]
fn every_example_gets_the_verdict_that_its_place_promises() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/examples");
    let expected: Value =
        serde_json::from_str(&std::fs::read_to_string(examples.join("expected.json")).expect("expected.json"))
            .expect("JSON");
    for kind in ["job", "policy", "result", "audit", "worker-config"] {
        for file in files_below(&examples.join("valid").join(kind)) {
            assert_eq!(judge(kind, &std::fs::read(&file).expect("an example")), Ok(()), "{}", file.display());
        }
        for file in files_below(&examples.join("invalid").join(kind)) {
            let name = format!("{kind}/{}", file.file_name().and_then(|name| name.to_str()).expect("UTF-8"));
            let promised = expected.get(&name).map(|issue| {
                (issue["path"].as_str().expect(&name).to_owned(), issue["rule"].as_str().expect(&name).to_owned())
            });
            let found = judge(kind, &std::fs::read(&file).expect("an example"))
                .map_err(|issues| (issues[0].path.clone(), issues[0].rule.clone()));
            assert_eq!(found.err(), promised, "{name}");
        }
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory of examples").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", dir.display());
    files
}
