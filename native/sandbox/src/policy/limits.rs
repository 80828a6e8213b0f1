//! The numeric limits: one list of names, in one order, for documents, ceilings and what is enforced.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::CeilingLimits;
use crate::door::document::Limits;

/// How many numeric limits there are.
const COUNT: usize = 11;

/// The limits' names in policies, in the order of every array here.
pub const NAMES: [&str; COUNT] = [
    "wallTimeMs",
    "cpuTimeMs",
    "memoryBytes",
    "processes",
    "cpuMillis",
    "outputBytes",
    "diskBytes",
    "inodes",
    "openFiles",
    "artifacts",
    "artifactBytes",
];

/// Every numeric limit; the units are in the names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitSet {
    pub wall_time_ms: u64,
    pub cpu_time_ms: u64,
    pub memory_bytes: u64,
    pub processes: u64,
    pub cpu_millis: u64,
    pub output_bytes: u64,
    pub disk_bytes: u64,
    pub inodes: u64,
    pub open_files: u64,
    pub artifacts: u64,
    pub artifact_bytes: u64,
}

impl LimitSet {
    /// Takes over the numbers that are given.
    pub fn lay_over(&mut self, numbers: [Option<u64>; COUNT]) {
        for (field, number) in self.fields_mut().into_iter().zip(numbers) {
            *field = number.unwrap_or(*field);
        }
    }

    /// The limits that are above the other set's: their names, and what is allowed.
    pub fn above(&self, ceiling: &LimitSet) -> impl Iterator<Item = (&'static str, u64)> {
        let pairs = self.numbers().into_iter().zip(ceiling.numbers());
        NAMES.into_iter().zip(pairs).filter(|(_, (asked, most))| asked > most).map(|(name, (_, most))| (name, most))
    }

    /// In the order of [`NAMES`].
    pub fn numbers(&self) -> [u64; COUNT] {
        [
            self.wall_time_ms,
            self.cpu_time_ms,
            self.memory_bytes,
            self.processes,
            self.cpu_millis,
            self.output_bytes,
            self.disk_bytes,
            self.inodes,
            self.open_files,
            self.artifacts,
            self.artifact_bytes,
        ]
    }

    fn fields_mut(&mut self) -> [&mut u64; COUNT] {
        [
            &mut self.wall_time_ms,
            &mut self.cpu_time_ms,
            &mut self.memory_bytes,
            &mut self.processes,
            &mut self.cpu_millis,
            &mut self.output_bytes,
            &mut self.disk_bytes,
            &mut self.inodes,
            &mut self.open_files,
            &mut self.artifacts,
            &mut self.artifact_bytes,
        ]
    }
}

macro_rules! numbers_of {
    ($document:ty) => {
        impl $document {
            /// The numbers that the document gives, in the order of [`NAMES`].
            pub fn numbers(&self) -> [Option<u64>; COUNT] {
                [
                    self.wall_time_ms,
                    self.cpu_time_ms,
                    self.memory_bytes,
                    self.processes,
                    self.cpu_millis,
                    self.output_bytes,
                    self.disk_bytes,
                    self.inodes,
                    self.open_files,
                    self.artifacts,
                    self.artifact_bytes,
                ]
            }
        }
    };
}

impl Limits {
    /// The numbers that the document gives, by name.
    pub fn by_name(&self) -> BTreeMap<&'static str, u64> {
        NAMES.into_iter().zip(self.numbers()).filter_map(|(name, number)| Some((name, number?))).collect()
    }
}

numbers_of!(Limits);
numbers_of!(CeilingLimits);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_stand_in_the_same_order_everywhere() {
        for (index, name) in NAMES.into_iter().enumerate() {
            let document = format!("{{\"{name}\":77}}");
            let limits: Limits = serde_json::from_str(&document).expect(name);
            let ceiling: CeilingLimits = serde_json::from_str(&document).expect(name);
            let mut set = crate::policy::defaults::policy().limits;
            set.lay_over(limits.numbers());
            assert_eq!(limits.numbers()[index], Some(77), "{name}");
            assert_eq!(ceiling.numbers()[index], Some(77), "{name}");
            assert_eq!(set.numbers()[index], 77, "{name}");
            assert_eq!(serde_json::to_value(&set).expect("plain data")[name], 77, "{name}");
        }
    }
}
