//! A job document as plain structs: what the schema allows, field by field. Defaults are not filled in here, except
//! those that say "nothing": no files, no arguments, no environment.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a producer submits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobDocument {
    pub kind: String,
    pub version: u32,
    pub id: Option<String>,
    #[serde(default = "default_tenant")]
    pub tenant: String,
    pub runtime: String,
    pub source: Option<String>,
    pub command: Option<Vec<String>>,
    #[serde(default)]
    pub files: Vec<File>,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub stdin: Option<Content>,
    #[serde(default = "default_cwd")]
    pub cwd: String,
    #[serde(default)]
    pub artifacts: Vec<String>,
    pub attempts: Option<u32>,
    pub priority: Option<u32>,
    pub expires_in_ms: Option<u64>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub policy: Option<JobPolicy>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn default_cwd() -> String {
    "/work".to_owned()
}

/// Bytes: exactly one of the first three; `bytes` stands beside `blob` only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Content {
    pub text: Option<String>,
    pub base64: Option<String>,
    pub blob: Option<String>,
    pub bytes: Option<u64>,
}

/// A file of the workspace: a path and its content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct File {
    pub path: String,
    pub text: Option<String>,
    pub base64: Option<String>,
    pub blob: Option<String>,
    pub bytes: Option<u64>,
    #[serde(default)]
    pub executable: bool,
}

/// A job's policy: the name of the operator's, or inline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobPolicy {
    Named(String),
    Inline(Box<PolicyDocument>),
}

impl<'de> Deserialize<'de> for JobPolicy {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            name: String,
        }
        let value = serde_json::Value::deserialize(from)?;
        let policy = match value.get("name").is_some() {
            true => serde_json::from_value::<Named>(value).map(|named| JobPolicy::Named(named.name)),
            false => serde_json::from_value(value).map(|inline| JobPolicy::Inline(Box::new(inline))),
        };
        policy.map_err(serde::de::Error::custom)
    }
}

/// A policy document. Every field may be silent: `policy::resolve` fills it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyDocument {
    pub version: Option<u32>,
    pub containment: Option<Containment>,
    #[serde(default)]
    pub filesystem: Filesystem,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub limits: Limits,
    pub syscalls: Option<Syscalls>,
    pub require: Option<Vec<String>>,
}

/// One backend, or several in order of preference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Containment {
    One(String),
    Several(Vec<String>),
}

/// Host paths inside the sandbox. Only empty lists pass the door: nothing here can be enforced yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filesystem {
    pub readonly_paths: Option<Vec<String>>,
    pub readwrite_paths: Option<Vec<String>>,
    pub denied_paths: Option<Vec<String>>,
}

/// What can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    #[serde(default)]
    pub egress: Egress,
    #[serde(default)]
    pub ingress: Ingress,
    pub loopback: Option<Loopback>,
}

/// Connections out: only `deny` passes the door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Egress {
    pub default: Option<Verdict>,
    #[serde(default)]
    pub allow: Vec<TrafficRule>,
    #[serde(default)]
    pub deny: Vec<TrafficRule>,
}

/// Connections in: only `deny` passes the door.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ingress {
    pub default: Option<Verdict>,
    pub host_loopback: Option<Verdict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Deny,
    Allow,
}

/// `Deny`: no INET sockets at all. `Private`: a loopback interface of the sandbox's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loopback {
    Deny,
    Private,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Syscalls {
    Strict,
    Compatible,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficRule {
    pub to: Vec<AddressBlock>,
    #[serde(default)]
    pub ports: Vec<PortRange>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddressBlock {
    pub cidr: String,
    #[serde(default)]
    pub except: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortRange {
    pub protocol: String,
    pub port: u16,
    pub end_port: Option<u16>,
}

/// Limits as a document gives them; the units are in the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    pub wall_time_ms: Option<u64>,
    pub cpu_time_ms: Option<u64>,
    pub memory_bytes: Option<u64>,
    pub processes: Option<u64>,
    pub cpu_millis: Option<u64>,
    pub output_bytes: Option<u64>,
    pub output_overflow: Option<Overflow>,
    pub disk_bytes: Option<u64>,
    pub inodes: Option<u64>,
    pub open_files: Option<u64>,
    pub artifacts: Option<u64>,
    pub artifact_bytes: Option<u64>,
}

/// What happens above `outputBytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    Kill,
    Truncate,
}
