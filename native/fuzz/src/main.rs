//! The fuzz program: libFuzzer around one target, whose name `BULLPEN_FUZZ_TARGET` holds. `ops/fuzz.ts` builds and runs it.
#![no_main]

mod targets;

use std::sync::OnceLock;

use targets::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: choose(), |bytes: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(bytes);
    }
});

fn choose() {
    let name = std::env::var("BULLPEN_FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.iter().find(|(known, _)| *known == name);
    let Some((_, target)) = found else {
        let known: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("BULLPEN_FUZZ_TARGET is '{name}'; there are {}", known.join(", "));
        std::process::exit(2);
    };
    TARGET.get_or_init(|| *target);
}
