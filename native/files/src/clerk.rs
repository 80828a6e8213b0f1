//! The clerk's side: one task, read from a stream and answered on it.

use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::collect::{self, CollectError};
use crate::fill::{FillError, Filling};
use crate::frames::{self, Answer, MAX_DATA, Order};
use crate::patterns::Patterns;

/// What a clerk is for. Each has its time in the life of a sandbox, so neither can be had for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    Fill,
    Collect,
}

/// Does `task` in the box as the stream says, and answers on it. An error is a stream that broke or a library that says
/// something else: then there is nobody to tell.
pub fn serve(task: Task, workspace: BorrowedFd, stream: impl Read + Write) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(MAX_DATA, stream);
    match task {
        Task::Fill => {
            let answer = match fill(workspace, &mut stream) {
                Ok(()) => Answer::Filled,
                Err(FillError::Full(full)) => Answer::Full { full },
                Err(FillError::Host { step, errno }) => failed(step, errno),
                Err(FillError::Stream(error)) => return Err(error),
            };
            stream.get_mut().write_all(&frames::word(&answer))
        }
        Task::Collect => collect(workspace, &mut stream),
    }
}

/// What follows after a failure is not read: whoever sends it finds the stream closed, and the answer before its end.
fn fill(workspace: BorrowedFd, stream: &mut impl Read) -> Result<(), FillError> {
    let filling = Filling::begin(workspace)?;
    let mut buffer = vec![0; MAX_DATA];
    loop {
        match frames::read_word(stream)? {
            Order::File(file) => filling.write(&file, || frames::read_data(stream, &mut buffer).map(<[u8]>::to_vec))?,
            Order::End => return Ok(()),
            Order::Collect { .. } => return Err(FillError::Stream(ErrorKind::InvalidData.into())),
        }
    }
}

fn collect(workspace: BorrowedFd, stream: &mut BufReader<impl Read + Write>) -> io::Result<()> {
    let Order::Collect { patterns, limits } = frames::read_word(stream)? else {
        return Err(ErrorKind::InvalidData.into());
    };
    let Order::End = frames::read_word(stream)? else { return Err(ErrorKind::InvalidData.into()) };
    let mut out = BufWriter::with_capacity(MAX_DATA, stream.get_mut());
    let answer = match Patterns::parse(&patterns) {
        Err(_) => failed("parse the patterns for", Errno::INVAL),
        Ok(patterns) => match collect::collect(workspace, &patterns, limits, &mut out) {
            Ok(truncated) => Answer::Collected { truncated },
            Err(CollectError::Host { step, errno }) => failed(step, errno),
            Err(CollectError::Stream(error)) => return Err(error),
        },
    };
    out.write_all(&frames::word(&answer))?;
    out.flush()
}

fn failed(step: &str, errno: Errno) -> Answer {
    Answer::Failed { step: step.to_owned(), errno: errno.raw_os_error() }
}
