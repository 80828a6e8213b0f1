//! What the library and a clerk say to each other over a stream: words, and the bytes of files between them.
//!
//! ```text
//! frame  = kind (1 byte: 'w' or 'd'), length (4 bytes, little-endian), that many bytes
//! fill     ->  File{path, …}, its bytes, File …, End          <-  Filled, or Full, or Failed
//! collect  ->  Collect{patterns, limits}, End
//!                                                             <-  Rejected{path, reason}, or Content{path, bytes}, its bytes, …
//!                                                             <-  Collected{truncated}, or Failed
//! ```

use std::io::{self, ErrorKind, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::collect::Reason;
use crate::fill::Full;

/// Most bytes of a file in one frame.
pub const MAX_DATA: usize = 64 * 1024;
/// Longest word: 64 patterns of 1024 bytes with every byte escaped, or a path with every byte escaped.
pub const MAX_WORD: usize = 512 * 1024;
/// Bytes before a frame's own.
pub const HEADER: usize = 5;

/// One file to be made below `/work`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewFile {
    /// Relative, its segments neither empty nor `.` nor `..`.
    pub path: String,
    pub bytes: u64,
    /// Mode 0755 instead of 0644.
    pub executable: bool,
}

/// What may be taken out of one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Entries, rejected ones included.
    pub artifacts: u64,
    /// Bytes of all contents together; a sparse file counts by its logical size.
    pub artifact_bytes: u64,
    /// Milliseconds for all of it, after which what is left is left.
    pub time_ms: u64,
}

/// From the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "word")]
pub enum Order {
    File(NewFile),
    Collect { patterns: Vec<String>, limits: Limits },
    End,
}

/// From the clerk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "word")]
pub enum Answer {
    Filled,
    /// The files don't fit into the job's own limits: the job's doing, not ours.
    Full {
        full: Full,
    },
    /// A path that matched and has no content. Also in place of the end of one whose bytes were under way.
    Rejected {
        path: String,
        reason: Reason,
    },
    /// That many bytes follow.
    Content {
        path: String,
        bytes: u64,
    },
    Collected {
        truncated: bool,
    },
    /// A step of ours failed.
    Failed {
        step: String,
        errno: i32,
    },
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Data,
}

/// A frame's kind and length; `None` for anything that is neither kind, or too long.
pub fn parse_header(header: [u8; HEADER]) -> Option<(Kind, usize)> {
    let [kind, length @ ..] = header;
    let length = u32::from_le_bytes(length) as usize;
    match kind {
        b'w' if length <= MAX_WORD => Some((Kind::Word, length)),
        b'd' if length <= MAX_DATA => Some((Kind::Data, length)),
        _ => None,
    }
}

/// The header of a frame with `length` bytes, which are at most [`MAX_WORD`] or [`MAX_DATA`].
pub fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = (length as u32).to_le_bytes();
    [if kind == Kind::Word { b'w' } else { b'd' }, a, b, c, d]
}

/// A word as a frame.
pub fn word<W: Serialize>(word: &W) -> Vec<u8> {
    let text = serde_json::to_vec(word).expect("words are plain data");
    let mut frame = Vec::with_capacity(HEADER + text.len());
    frame.extend(header(Kind::Word, text.len()));
    frame.extend(text);
    frame
}

/// Reads a word; anything else is `InvalidData`.
pub(crate) fn read_word<W: DeserializeOwned>(stream: &mut impl Read) -> io::Result<W> {
    let mut start = [0; HEADER];
    stream.read_exact(&mut start)?;
    let Some((Kind::Word, length)) = parse_header(start) else { return Err(ErrorKind::InvalidData.into()) };
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    serde_json::from_slice(&text).map_err(|_| ErrorKind::InvalidData.into())
}

/// Reads one frame of data into `buffer`, whose length is [`MAX_DATA`].
pub(crate) fn read_data<'a>(stream: &mut impl Read, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut start = [0; HEADER];
    stream.read_exact(&mut start)?;
    let Some((Kind::Data, length)) = parse_header(start) else { return Err(ErrorKind::InvalidData.into()) };
    let bytes = buffer.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
    stream.read_exact(bytes)?;
    Ok(bytes)
}

pub(crate) fn write_data(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&header(Kind::Data, bytes.len()))?;
    stream.write_all(bytes)
}
