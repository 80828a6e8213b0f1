//! Files in: what the job document brings, written before the job begins.

use leave_out::Part;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstatvfs, mkdirat, openat2};
use rustix::io::{Errno, write};
use serde::{Deserialize, Serialize};

use crate::frames::NewFile;
use crate::{WORK, confined};

/// Which limit of the workspace was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Full {
    Bytes,
    Inodes,
}

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillError {
    /// They don't fit into the job's own limits: the job's doing, not ours.
    #[error("the workspace is full")]
    Full(Full),
    /// A step of ours failed.
    #[error("{step}: {errno}")]
    Host { step: &'static str, errno: Errno },
    /// Whoever sends the files stopped, or sent something else.
    #[error("the stream: {0}")]
    Stream(#[from] io::Error),
}

/// A box that is being filled. What is made in it belongs to whoever does it, with the modes 0644 and 0755 (which a umask
/// would narrow).
pub(crate) struct Filling {
    work: OwnedFd,
}

impl Filling {
    /// Opens the box's `work/`.
    pub fn begin(workspace: BorrowedFd) -> Result<Filling, FillError> {
        let work = open_directory(workspace, WORK).map_err(|errno| FillError::Host { step: "open work", errno })?;
        Ok(Filling { work })
    }

    /// Writes one file, with the directories above it. Nothing that exists is opened or changed, directories apart: a path that
    /// is taken is an error. `more` gives the next bytes of its content.
    pub fn write(&self, file: &NewFile, mut more: impl FnMut() -> io::Result<Vec<u8>>) -> Result<(), FillError> {
        let failed = |step| move |errno| self.judge(step, errno);
        let (directories, name) = match file.path.rsplit_once('/') {
            Some((above, name)) => (Some(above), name),
            None => (None, &*file.path),
        };
        let above = directories.map(|path| self.make_directories(path)).transpose()?;
        let above = above.as_ref().unwrap_or(&self.work);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fresh = if leave_out::is(Part::FillFresh) { OFlags::EXCL | OFlags::NOFOLLOW } else { OFlags::empty() };
        let flags = flags.difference(fresh);
        let mode = if file.executable { Mode::from(0o755) } else { Mode::from(0o644) };
        let made = openat2(above, name, flags, mode, confined()).map_err(failed("create"))?;
        let mut left = file.bytes;
        while left > 0 {
            let bytes = more()?;
            left = match left.checked_sub(bytes.len() as u64) {
                Some(left) if !bytes.is_empty() => left,
                _ => return Err(FillError::Stream(io::ErrorKind::InvalidData.into())),
            };
            write_all(&made, &bytes).map_err(failed("write"))?;
        }
        Ok(())
    }

    /// Walks down, making what isn't there, and gives the last directory.
    fn make_directories(&self, path: &str) -> Result<OwnedFd, FillError> {
        let mut here: Option<OwnedFd> = None;
        for name in path.split('/') {
            let above = here.as_ref().unwrap_or(&self.work);
            match mkdirat(above, name, Mode::from(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.judge("make directory", errno)),
            }
            here = Some(open_directory(above.as_fd(), name).map_err(|errno| self.judge("open directory", errno))?);
        }
        here.ok_or(FillError::Host { step: "open directory", errno: Errno::NOENT })
    }

    fn judge(&self, step: &'static str, errno: Errno) -> FillError {
        match errno {
            Errno::NOSPC | Errno::DQUOT => FillError::Full(what_is_full(&self.work)),
            errno => FillError::Host { step, errno },
        }
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn open_directory(above: BorrowedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(above, name, flags, Mode::empty(), confined())
}

/// ENOSPC doesn't say of what.
fn what_is_full(work: &OwnedFd) -> Full {
    match fstatvfs(work) {
        Ok(numbers) if numbers.f_files > 0 && numbers.f_ffree == 0 => Full::Inodes,
        _ => Full::Bytes,
    }
}
