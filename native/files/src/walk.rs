//! Finding artifacts: a bounded walk over a hostile tree.

use leave_out::Part;
use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, chmodat, openat2, statat};
use rustix::io::Errno;

use crate::collect::Reason;
use crate::confined;
use crate::patterns::Patterns;

/// How deep directories below the top are entered.
const MAX_DEPTH: usize = 64;
/// Entries looked at in one walk. At some microseconds each, well within the deadline.
const MAX_ENTRIES: usize = 200_000;
/// Longest path that the kernel resolves in one go (`PATH_MAX`, less the final NUL).
const MAX_PATH: usize = 4095;

/// What a walk found, by path and in its order.
pub(crate) struct Found {
    /// A regular file, or the reason why the entry is none.
    pub paths: BTreeMap<Vec<u8>, Result<(), Reason>>,
    /// There was more than this.
    pub truncated: bool,
}

/// Walks `work` for what `patterns` match. Keeps the first `most` paths in byte order; stops at the deadline.
pub(crate) fn walk(work: BorrowedFd, patterns: &Patterns, most: usize, deadline: Instant) -> Result<Found, Errno> {
    let mut walk =
        Walk { patterns, most, deadline, entries: 0, found: Found { paths: BTreeMap::new(), truncated: false } };
    let top = openat2(work, ".", DIRECTORY, Mode::empty(), confined())?;
    let mut open = vec![Level { entries: Dir::new(top)?, path: Vec::new() }];
    while let Some(level) = open.last_mut() {
        if walk.is_over() {
            walk.found.truncated = true;
            break;
        }
        match level.entries.next() {
            None => _ = open.pop(),
            Some(Err(_)) => {
                walk.found.truncated = true;
                open.pop();
            }
            Some(Ok(entry)) => {
                let (name, depth) = (entry.file_name().to_bytes(), open.len());
                open.extend(walk.visit(&open[depth - 1], name, depth));
            }
        }
    }
    Ok(walk.found)
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory on the way from the top to where the walk is; there are never more than [`MAX_DEPTH`] and the top of them.
struct Level {
    entries: Dir,
    path: Vec<u8>,
}

struct Walk<'a> {
    patterns: &'a Patterns,
    most: usize,
    deadline: Instant,
    entries: usize,
    found: Found,
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        self.entries >= MAX_ENTRIES || (self.entries.is_multiple_of(64) && Instant::now() >= self.deadline)
    }

    /// Looks at one entry; gives the directory to go on in, if it is one that leads further.
    fn visit(&mut self, above: &Level, name: &[u8], depth: usize) -> Option<Level> {
        if matches!(name, b"." | b"..") {
            return None;
        }
        self.entries += 1;
        let path = if above.path.is_empty() { name.to_vec() } else { [&above.path, name].join(&b'/') };
        let wanted = self.patterns.match_file(&path);
        let further = self.patterns.lead_through(&path);
        if !wanted && !further {
            return None;
        }
        let directory = above.entries.fd().ok()?;
        match make_readable(directory, name) {
            Ok(FileType::Directory) => return self.enter(directory, name, path, depth, further),
            Ok(kind) if wanted => self.keep(path, judge(kind)),
            Err(_) if wanted => self.keep(path, Err(Reason::Unreadable)),
            _ => {}
        }
        None
    }

    fn enter(&mut self, above: BorrowedFd, name: &[u8], path: Vec<u8>, depth: usize, further: bool) -> Option<Level> {
        if self.patterns.name_exactly(&path) {
            self.keep(path.clone(), Err(Reason::NotRegular));
        }
        if !further {
            return None;
        }
        if depth > MAX_DEPTH || path.len() > MAX_PATH {
            self.keep(path, Err(Reason::TooDeep));
            return None;
        }
        match open(above, name) {
            Ok(entries) => Some(Level { entries, path }),
            Err(_) => {
                self.keep(path, Err(Reason::Unreadable));
                None
            }
        }
    }

    fn keep(&mut self, path: Vec<u8>, verdict: Result<(), Reason>) {
        let verdict = if path.len() > MAX_PATH { Err(Reason::TooDeep) } else { verdict };
        self.found.paths.insert(path, verdict);
        if self.found.paths.len() > self.most && !leave_out::is(Part::ArtifactCount) {
            self.found.paths.pop_last();
            self.found.truncated = true;
        }
    }
}

/// What is there; a file or directory that its owner locked himself out of is unlocked, if we are the owner, as that needs no
/// capability. (A link that took its place meanwhile would lead to another file of ours: nobody else's mode can be changed.)
pub(crate) fn make_readable(above: BorrowedFd, name: &[u8]) -> Result<FileType, Errno> {
    let status = statat(above, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(status.st_mode);
    let needed = match kind {
        FileType::RegularFile => 0o400,
        FileType::Directory => 0o500,
        _ => return Ok(kind),
    };
    if status.st_mode & needed != needed {
        // Where it fails, so will opening it, which has a reason of its own.
        let _ = chmodat(above, name, Mode::from_raw_mode(status.st_mode & 0o777 | needed), AtFlags::empty());
    }
    Ok(kind)
}

fn open(above: BorrowedFd, name: &[u8]) -> Result<Dir, Errno> {
    let directory: OwnedFd = openat2(above, name, DIRECTORY, Mode::empty(), confined())?;
    Dir::new(directory)
}

fn judge(kind: FileType) -> Result<(), Reason> {
    match kind {
        FileType::RegularFile => Ok(()),
        FileType::Symlink if leave_out::is(Part::ArtifactLinks) => Ok(()),
        FileType::Symlink => Err(Reason::Symlink),
        _ => Err(Reason::NotRegular),
    }
}
