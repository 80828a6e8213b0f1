//! The library's side of collecting, told anything by a clerk: it never takes more than the limits allow, nor a path that leads elsewhere.

use files::frames::{HEADER, Kind, Limits, MAX_DATA, MAX_WORD, parse_header};
use files::{Collected, Intake};

const LIMITS: Limits = Limits { artifacts: 3, artifact_bytes: 64, time_ms: 1000 };

/// The input is a stream of frames, as a clerk would send it.
pub fn run(mut bytes: &[u8]) {
    let mut intake = Intake::new(LIMITS);
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let Some((kind, length)) = parse_header(*header) else { return };
        assert!(length <= if matches!(kind, Kind::Data) { MAX_DATA } else { MAX_WORD });
        let Some((frame, after)) = rest.split_at_checked(length) else { return };
        match intake.take(kind, frame) {
            Ok(None) => bytes = after,
            Ok(Some(collected)) => return within_limits(&collected),
            Err(_) => return,
        }
    }
}

fn within_limits(collected: &Collected) {
    assert!(collected.artifacts.len() as u64 <= LIMITS.artifacts);
    let contents = collected.artifacts.iter().filter_map(|artifact| artifact.content.as_ref().ok());
    assert!(contents.map(|content| content.len() as u64).sum::<u64>() <= LIMITS.artifact_bytes);
    for artifact in &collected.artifacts {
        let leads_away = artifact.path.split('/').any(|name| matches!(name, "" | "." | ".."));
        assert!(artifact.content.is_err() || !leads_away, "{}", artifact.path);
        assert!(!artifact.path.contains(|c: char| c.is_control()), "{:?}", artifact.path);
    }
}
