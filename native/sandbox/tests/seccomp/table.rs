//! The checked-in table of the sweep: what becomes of every call number, by profile and gate.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use sandbox::seccomp::{Action, Call, Profile, Sockets, Verdict};
use serde_json::{Map, Value, json};

use super::entry::Gate;
use super::errno;
use super::marked::Seen;

pub const NUMBERS: RangeInclusive<u32> = 0..=600;

/// Heads the numbers that some kernels ask no filter about.
const PASSED: &str = "as in the interpreter, or past every filter";

const PLACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seccomp/");

/// What kernels differ in, each with its reason: `kernels.json`.
fn listed(what: &str, name: &str) -> Option<String> {
    let mut lists: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&read("kernels.json")).unwrap();
    lists.remove(what).unwrap().remove(name)
}

/// The calls that a kernel may make without asking any filter.
pub fn unfiltered() -> Vec<u32> {
    NUMBERS.filter(|&number| may_pass(Gate::X86_64, number)).collect()
}

/// Why a kernel may lack a gate, if that is listed.
pub fn may_lack(gate: Gate) -> Option<String> {
    listed("mayLackGate", gate.name())
}

/// Whether a kernel may make a call without asking any filter, for a reason that is listed.
fn may_pass(gate: Gate, number: u32) -> bool {
    gate == Gate::X86_64 && listed("mayPassEveryFilter", &number.to_string()).is_some_and(|why| why.len() > 20)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{PLACE}{name}")).unwrap()
}

/// What a sweep found, in the form of `sweep.json`.
pub struct Table(Map<String, Value>);

impl Table {
    pub fn new() -> Table {
        Table(Map::new())
    }

    /// What became of [`NUMBERS`], with all arguments zero and all of them minus one.
    pub fn add(&mut self, profile: Profile, gate: Gate, zeros: &[Seen], ones: &[Seen]) {
        let mut by_argument = Map::new();
        let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (number, (zeros, ones)) in NUMBERS.zip(zeros.iter().zip(ones)) {
            match (gate, decided_by_argument(profile, number)) {
                _ if may_pass(gate, number) => groups.entry(PASSED.to_owned()).or_default().push(number),
                (Gate::X86_64, Some(call)) => {
                    by_argument.insert(
                        format!("{number:03} {}", call.name),
                        json!(format!("{} {}", spell(zeros), spell(ones))),
                    );
                }
                _ => {
                    assert_eq!(zeros, ones, "{} {number} by {} has no rule on arguments", profile.name(), gate.name());
                    groups.entry(spell(zeros)).or_default().push(number);
                }
            }
        }
        let mut rows: Map<String, Value> =
            groups.iter().map(|(name, numbers)| (name.clone(), json!(spans(numbers)))).collect();
        if !by_argument.is_empty() {
            rows.insert("allowed by argument (all zero, all minus one)".to_owned(), by_argument.into());
        }
        let gates = self.0.entry(profile.name()).or_insert_with(|| json!({}));
        gates[gate.name()] = rows.into();
    }

    /// `BULLPEN_WRITE_GOLDEN=1` writes the table anew; read the difference before you commit it.
    pub fn compare(self) {
        let found = format!("{:#}\n", Value::Object(self.0));
        if std::env::var_os("BULLPEN_WRITE_GOLDEN").is_some() {
            std::fs::write(format!("{PLACE}sweep.json"), &found).unwrap();
        }
        assert_eq!(found, read("sweep.json"), "sweep.json");
    }
}

fn decided_by_argument(profile: Profile, number: u32) -> Option<Call> {
    let ruled = profile.entries(Sockets::Local).filter(|entry| matches!(entry.verdict, Verdict::By(_)));
    ruled.flat_map(|entry| entry.calls).find(|call| call.number == number).copied()
}

fn spell(seen: &Seen) -> String {
    match seen {
        Seen::Killed => "killed".to_owned(),
        Seen::Decided(Action::Allow) => "allowed".to_owned(),
        Seen::Decided(Action::Refuse(errno)) => errno::name(*errno),
    }
}

/// `0-3 5 7-9`.
fn spans(numbers: &[u32]) -> String {
    let spans = numbers.chunk_by(|before, after| before + 1 == *after);
    let spell = |span: &[u32]| match span {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    };
    spans.map(spell).collect::<Vec<_>>().join(" ")
}
