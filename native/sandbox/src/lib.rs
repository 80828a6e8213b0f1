//! Bullpen's sandbox library: one job document in, one result document out.
//!
//! ```text
//! bytes -> door -> policy -> plan -> pool/backend -> output, evidence -> outcome -> result document
//! ```
//!
//! [`Engine`] is the only way in. It is opened from a worker configuration and runs jobs until it is closed; what a guest
//! does is a value in the result document, what we fail to do is `failed` or `unavailable` there, naming its step or layer.

mod backend;
mod clock;
mod config;
mod control;
pub mod door;
pub mod engine;
mod explain;
mod failure;
mod house;
mod inputs;
mod judgement;
pub mod lease;
mod live;
mod outcome;
mod output;
mod plan;
mod policy;
mod pool;
pub mod privileges;
mod result;
mod run;
mod runtime;
pub mod seccomp;
mod slots;
mod stop;

pub use clock::boottime_ms;
pub use engine::{Engine, EngineError, Execution};

/// Parsers that are nobody else's business, for the fuzz targets.
#[cfg(feature = "parsers")]
pub mod parsers {
    pub use crate::backend::process::cgroups::mounts::Mounts;
    pub use crate::door::path_rules::patterns as check_patterns;

    /// Whether an engine could be opened with this.
    pub fn check_configuration(json: &str) -> Result<(), crate::door::Issue> {
        crate::config::Config::parse(json).map(drop)
    }
}
