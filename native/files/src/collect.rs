//! Files out: what the job left behind, as far as it was asked for.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat2};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::frames::{self, Answer, Limits, MAX_DATA};
use crate::patterns::Patterns;
use crate::read::{self, Opened};
use crate::walk::{make_readable, walk};
use crate::{WORK, confined};

/// Why a path that matched has no content. The names are those of the result schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Symlink,
    /// It has another name, perhaps one outside the patterns.
    Hardlink,
    /// A directory, pipe, socket or device.
    NotRegular,
    /// It doesn't fit into what `artifactBytes` leaves.
    TooLarge,
    /// More than 64 directories deep, or its path longer than 4095 bytes. Names the directory that wasn't entered.
    TooDeep,
    /// Its path isn't UTF-8, or has control characters.
    BadName,
    Unreadable,
}

impl Reason {
    /// The reason as it stands in results.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Symlink => "symlink",
            Reason::Hardlink => "hardlink",
            Reason::NotRegular => "not-regular",
            Reason::TooLarge => "too-large",
            Reason::TooDeep => "too-deep",
            Reason::BadName => "bad-name",
            Reason::Unreadable => "unreadable",
        }
    }
}

/// Our own failure to look at all; whatever the guest left is told on the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error("{step} the workspace: {errno}")]
    Host { step: &'static str, errno: Errno },
    #[error("the stream: {0}")]
    Stream(#[from] io::Error),
}

/// Takes what `patterns` match out of the box's `work/`. Everything in the sandbox must be dead. Gives whether there was more
/// than the limits allow, or may have been: the walk was cut off.
///
/// A pattern that nothing matches gives no entry. A directory is an entry (`not-regular`) only if a pattern without
/// wildcards names it. Files are read in byte order of their paths until the budget is used up; one that doesn't fit is
/// `too-large`, and smaller ones after it are still taken.
pub(crate) fn collect(
    workspace: BorrowedFd,
    patterns: &Patterns,
    limits: Limits,
    out: &mut impl Write,
) -> Result<bool, CollectError> {
    let deadline = Instant::now() + Duration::from_millis(limits.time_ms);
    let failed = |step| move |errno| CollectError::Host { step, errno };
    make_readable(workspace, WORK.as_bytes()).map_err(failed("open"))?;
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let work = openat2(workspace, WORK, flags, Mode::empty(), confined()).map_err(failed("open"))?;
    let most = usize::try_from(limits.artifacts).unwrap_or(usize::MAX);
    let found = walk(work.as_fd(), patterns, most, deadline).map_err(failed("walk"))?;

    let mut truncated = found.truncated;
    let mut room = limits.artifact_bytes;
    for (path, verdict) in found.paths {
        if Instant::now() >= deadline {
            return Ok(true);
        }
        match verdict.and_then(|()| take(work.as_fd(), &path, room)) {
            Ok(Opened { file, bytes }) => {
                room = room.saturating_sub(bytes);
                send(&file, presentable(&path), bytes, out)?;
            }
            Err(reason) => {
                truncated |= reason == Reason::TooLarge;
                out.write_all(&frames::word(&Answer::Rejected { path: presentable(&path), reason }))?;
            }
        }
    }
    Ok(truncated)
}

fn take(work: BorrowedFd, path: &[u8], room: u64) -> Result<Opened, Reason> {
    if is_presentable(path) { read::open(work, path, room) } else { Err(Reason::BadName) }
}

/// Sends a file's bytes. One that has fewer than it had a moment ago is rejected after all.
fn send(file: &OwnedFd, path: String, bytes: u64, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&frames::word(&Answer::Content { path: path.clone(), bytes }))?;
    let mut buffer = vec![0; MAX_DATA.min(usize::try_from(bytes).unwrap_or(MAX_DATA)).max(1)];
    let mut left = bytes;
    while left > 0 {
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match rustix::io::read(file, &mut buffer[..most]) {
            Ok(0) => return out.write_all(&frames::word(&Answer::Rejected { path, reason: Reason::Unreadable })),
            Ok(read) => {
                frames::write_data(out, &buffer[..read])?;
                left -= read as u64;
            }
            Err(Errno::INTR) => {}
            Err(_) => return out.write_all(&frames::word(&Answer::Rejected { path, reason: Reason::Unreadable })),
        }
    }
    Ok(())
}

pub(crate) fn is_presentable(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|path| !path.chars().any(char::is_control))
}

/// The path as text: escaped where it can't be shown, cut where it is too long.
fn presentable(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                c if c.is_control() => c.to_string().bytes().for_each(|byte| escape(&mut text, byte)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(&mut text, *byte));
    }
    match text.char_indices().nth(MAX_PRESENTED) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    }
}

/// Characters of a path in a result.
pub(crate) const MAX_PRESENTED: usize = 4096;

fn escape(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}");
}
