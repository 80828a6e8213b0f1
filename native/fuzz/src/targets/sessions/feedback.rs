//! Answers count as coverage: an input that brings a new one is worth keeping, though the forkserver itself isn't instrumented.

use std::sync::atomic::{AtomicU8, Ordering};

use forkserver::wire::Event;

const SLOTS: usize = 4096;

/// libFuzzer looks into this section, and clears it before each run.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static COUNTERS: [AtomicU8; SLOTS] = [const { AtomicU8::new(0) }; SLOTS];

/// Notes an answer.
pub fn note(event: &Event) {
    let said = format!("{event:?}");
    let kind = said.split(' ').next().unwrap_or_default();
    let detail = match event {
        Event::Failed { error, .. } | Event::Refused { error } => format!("{} {}", error.step, error.errno),
        Event::Ended { evidence, .. } => {
            format!("{:?} {:?} {}", evidence.cause, evidence.status, evidence.oom_kills > 0)
        }
        Event::ExecFailed { errno, .. } => errno.to_string(),
        _ => String::new(),
    };
    // FNV-1a.
    let hash = kind
        .bytes()
        .chain(detail.bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    COUNTERS[hash as usize % SLOTS].fetch_add(1, Ordering::Relaxed);
}
