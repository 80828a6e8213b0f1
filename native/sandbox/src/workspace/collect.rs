//! Files out: what the job left behind, as far as it was asked for.

use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat2};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::read::read;
use super::walk::walk;
use super::{CONFINED, Patterns, WORK};

/// What may be taken out of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries, rejected ones included.
    pub artifacts: usize,
    /// Bytes of all contents together; a sparse file counts by its logical size.
    pub artifact_bytes: u64,
    /// Time for all of it, after which what is left is left.
    pub time: Duration,
}

/// Why a path that matched has no content. The names are those of the result schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A path that matched, relative to `/work`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// At most 4096 characters, none of them a control character: where a name has such, or isn't UTF-8, `\xNN` stands.
    pub path: String,
    pub content: Result<Content, Reason>,
}

/// An artifact's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Everything that was taken, in byte order of the paths.
#[derive(Debug)]
pub struct Collected {
    pub artifacts: Vec<Artifact>,
    /// More matched than the limits allow, or may have: the walk was cut off.
    pub truncated: bool,
}

/// Our own failure to look at all; whatever the guest left is in [`Collected`].
#[derive(Debug, thiserror::Error)]
#[error("{step} the workspace: {errno}")]
pub struct CollectError {
    pub step: &'static str,
    pub errno: Errno,
}

/// Takes what `patterns` match out of the box's `work/`. Everything in the sandbox must be dead.
///
/// A pattern that nothing matches gives no entry. A directory is an entry (`not-regular`) only if a pattern without
/// wildcards names it. Files are read in byte order of their paths until the budget is used up; one that doesn't fit is
/// `too-large`, and smaller ones after it are still taken.
pub fn collect(workspace: BorrowedFd, patterns: &Patterns, limits: Limits) -> Result<Collected, CollectError> {
    let deadline = Instant::now() + limits.time;
    let failed = |step| move |errno| CollectError { step, errno };
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let work = openat2(workspace, WORK, flags, Mode::empty(), CONFINED).map_err(failed("open"))?;
    let found = walk(work.as_fd(), patterns, limits.artifacts, deadline).map_err(failed("walk"))?;

    let mut collected = Collected { artifacts: Vec::new(), truncated: found.truncated };
    let mut room = limits.artifact_bytes;
    for (path, verdict) in found.paths {
        if Instant::now() >= deadline {
            collected.truncated = true;
            break;
        }
        let content = verdict.and_then(|()| take(work.as_fd(), &path, room));
        match &content {
            Ok(content) => room -= content.bytes.len() as u64,
            Err(reason) => collected.truncated |= *reason == Reason::TooLarge,
        }
        collected.artifacts.push(Artifact { path: presentable(&path), content });
    }
    Ok(collected)
}

fn take(work: BorrowedFd, path: &[u8], room: u64) -> Result<Content, Reason> {
    if !is_presentable(path) {
        return Err(Reason::BadName);
    }
    let bytes = read(work, path, room)?;
    let sha256 = Sha256::digest(&bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(Content { bytes, sha256 })
}

fn is_presentable(path: &[u8]) -> bool {
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
const MAX_PRESENTED: usize = 4096;

fn escape(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}");
}
