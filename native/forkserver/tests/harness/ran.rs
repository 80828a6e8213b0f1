//! What came of it.

use forkserver::wire::{Cause, Evidence, ExitStatus, Layer, Posture, Stage, StepError};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

pub struct Streams {
    pub stdout: std::thread::JoinHandle<String>,
    pub stderr: std::thread::JoinHandle<String>,
}

pub struct Started {
    pub layers: Vec<Layer>,
    pub posture: Option<Posture>,
    pub stages: Vec<Stage>,
}

#[derive(Debug)]
pub enum End {
    None,
    Evidence(Evidence),
    ExecFailed(i32),
    Failed(StepError),
}

/// A program that ended.
pub struct Ran {
    pub started: Option<Started>,
    pub end: End,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn evidence(&self) -> &Evidence {
        match &self.end {
            End::Evidence(evidence) => evidence,
            other => panic!("no evidence: {other:?}, stderr {:?}", self.stderr),
        }
    }

    /// It ended by itself, with this code.
    #[track_caller]
    pub fn exited(&self, code: i32) -> &Evidence {
        let evidence = self.evidence();
        assert_eq!(
            (evidence.cause, evidence.status),
            (Cause::Exit, Some(ExitStatus::Code(code))),
            "{evidence:?} {}",
            self.stderr
        );
        evidence
    }

    #[track_caller]
    pub fn posture(&self) -> &Posture {
        self.started.as_ref().and_then(|started| started.posture.as_ref()).expect("a posture")
    }
}

pub fn status_of<'a>(posture: &'a Posture, key: &str) -> &'a str {
    posture.status.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str()).unwrap_or("missing")
}

pub fn drain(reader: OwnedFd) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(reader).read_to_end(&mut bytes).expect("read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
