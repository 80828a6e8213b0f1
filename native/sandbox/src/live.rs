//! Live output: a bounded ring beside the drain. It never blocks the drain; what nobody reads in time is dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::plan::Phase;

/// Most bytes of output that wait for a reader.
const CAPACITY: usize = 256 * 1024;

/// Which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A piece of output. A gap between two offsets of one stream is what was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    phase: Phase,
    stream: Stream,
    offset: u64,
    bytes: Vec<u8>,
}

/// Output that waits for a reader.
#[derive(Debug, Default)]
pub struct Ring {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    chunks: VecDeque<Chunk>,
    bytes: usize,
}

impl Ring {
    /// Adds output; drops the oldest when there is too much.
    pub fn push(&self, phase: Phase, stream: Stream, offset: u64, bytes: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += bytes.len();
        waiting.chunks.push_back(Chunk { phase, stream, offset, bytes: bytes.to_vec() });
        while waiting.bytes > CAPACITY {
            let Some(oldest) = waiting.chunks.pop_front() else { return };
            waiting.bytes -= oldest.bytes.len();
        }
    }

    /// Takes the oldest chunk: `{"phase","stream","offset","base64"}`.
    pub fn pop(&self) -> Option<String> {
        let chunk = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let chunk = waiting.chunks.pop_front()?;
            waiting.bytes -= chunk.bytes.len();
            chunk
        };
        let (Chunk { phase, stream, offset, .. }, base64) = (&chunk, STANDARD.encode(&chunk.bytes));
        Some(serde_json::json!({ "phase": phase, "stream": stream, "offset": offset, "base64": base64 }).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_out_in_order_with_their_place() {
        let ring = Ring::default();
        ring.push(Phase::Build, Stream::Stderr, 0, b"a");
        ring.push(Phase::Run, Stream::Stdout, 7, b"bc");
        assert_eq!(ring.pop().as_deref(), Some(r#"{"phase":"build","stream":"stderr","offset":0,"base64":"YQ=="}"#));
        assert_eq!(ring.pop().as_deref(), Some(r#"{"phase":"run","stream":"stdout","offset":7,"base64":"YmM="}"#));
        assert_eq!(ring.pop(), None);
    }

    #[test]
    fn the_oldest_is_dropped_when_nobody_reads() {
        let ring = Ring::default();
        for number in 0..6 {
            ring.push(Phase::Run, Stream::Stdout, number * 65_536, &[0; 65_536]);
        }
        assert!(ring.pop().is_some_and(|chunk| chunk.contains("\"offset\":131072,")));
    }
}
