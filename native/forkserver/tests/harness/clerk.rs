//! The library's side of a clerk's stream, blocking.

use super::Sandbox;
use files::{Answer, Collected, Distrust, Intake, Limits, NewFile, Order, frames};
use forkserver::wire::{Event, ExitStatus, Request, Task};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

pub const COLLECT: Limits = Limits { artifacts: 16, artifact_bytes: 1 << 20, time_ms: 5000 };

/// Words that make these files.
pub fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut said = Vec::new();
    for (path, bytes) in files {
        let file = NewFile { path: (*path).to_owned(), bytes: bytes.len() as u64, executable: true };
        said.extend(frames::word(&Order::File(file)));
        for part in bytes.chunks(frames::MAX_DATA) {
            said.extend(frames::header(frames::Kind::Data, part.len()));
            said.extend(part);
        }
    }
    said.extend(frames::word(&Order::End));
    said
}

impl Sandbox<'_> {
    /// Has a clerk sent; our end of its stream.
    pub fn clerk(&self, task: Task) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        self.server.send(&Request::Clerk { sandbox: self.id, task }, &[theirs.as_fd()]);
        ours
    }

    pub fn fill(&self, said: &[u8]) -> Answer {
        let mut stream = self.clerk(Task::Fill);
        let _ = stream.write_all(said);
        let answer = receive(&mut stream);
        self.expect_clerk_ended(ExitStatus::Code(0));
        serde_json::from_slice(&answer.1).expect("an answer")
    }

    pub fn collect(&self, patterns: &[&str]) -> Result<Collected, Distrust> {
        let mut stream = self.clerk(Task::Collect);
        let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let order = frames::word(&Order::Collect { patterns, limits: COLLECT });
        stream.write_all(&[order, frames::word(&Order::End)].concat()).expect("write");
        let mut intake = Intake::new(COLLECT);
        let collected = loop {
            let (kind, bytes) = receive(&mut stream);
            if let Some(collected) = intake.take(kind, &bytes).transpose() {
                break collected;
            }
        };
        self.expect_clerk_ended(ExitStatus::Code(0));
        collected
    }

    #[track_caller]
    pub fn expect_clerk_ended(&self, how: ExitStatus) {
        match self.server.receive().0 {
            Event::ClerkEnded { sandbox, status } => assert_eq!((sandbox, status), (self.id, how)),
            other => panic!("no end of a clerk: {other:?}"),
        }
    }
}

fn receive(stream: &mut UnixStream) -> (frames::Kind, Vec<u8>) {
    let mut header = [0; frames::HEADER];
    stream.read_exact(&mut header).expect("a frame");
    let (kind, length) = frames::parse_header(header).expect("a frame");
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).expect("all of it");
    (kind, bytes)
}
