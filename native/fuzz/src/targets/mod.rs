//! What is fuzzed: each target takes bytes and panics when a promise doesn't hold for them.

mod configuration;
mod document;
mod intake;
mod kernel;
mod patterns;
mod planted;
mod sessions;
mod wire;

pub type Target = fn(&[u8]);

/// Every target by name; the corpus of each lies in `corpus/NAME`.
pub const ALL: [(&str, Target); 8] = [
    ("configuration", configuration::run),
    ("document", document::run),
    ("intake", intake::run),
    ("kernel", kernel::run),
    ("patterns", patterns::run),
    ("planted", planted::run),
    ("sessions", sessions::run),
    ("wire", wire::run),
];
