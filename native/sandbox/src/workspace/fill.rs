//! Files in: what the job document brings, written before the job begins.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, fstatvfs, mkdirat, openat2};
use rustix::io::Errno;

use super::{CONFINED, WORK};

/// One file to be made below `/work`.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Relative, its segments neither empty nor `.` nor `..`.
    pub path: &'a str,
    pub bytes: &'a [u8],
    /// Mode 0755 instead of 0644.
    pub executable: bool,
}

/// The slot's ids on the host; the files will be theirs.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Which limit of the workspace was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Bytes,
    Inodes,
}

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// They don't fit into the job's own limits: the job's doing, not ours.
    #[error("{path}: the workspace is full")]
    Full { path: String, full: Full },
    /// A step of ours failed.
    #[error("{step} {path}: {errno}")]
    Host { step: &'static str, path: String, errno: Errno },
}

/// Writes `files` into the box's `work/`, with the directories above them (0755). Nothing that exists is opened or changed,
/// directories apart: a path that is taken is an error.
pub fn fill(workspace: BorrowedFd, owner: Owner, files: &[NewFile]) -> Result<(), FillError> {
    let work = open_directory(workspace, WORK).map_err(|errno| host("open", WORK, errno))?;
    for file in files {
        write(work.as_fd(), owner, file).map_err(|Failed { step, errno }| match errno {
            Errno::NOSPC | Errno::DQUOT => FillError::Full { path: file.path.to_owned(), full: what_is_full(&work) },
            errno => host(step, file.path, errno),
        })?;
    }
    Ok(())
}

struct Failed {
    step: &'static str,
    errno: Errno,
}

fn at(step: &'static str) -> impl Fn(Errno) -> Failed {
    move |errno| Failed { step, errno }
}

fn host(step: &'static str, path: &str, errno: Errno) -> FillError {
    FillError::Host { step, path: path.to_owned(), errno }
}

fn write(work: BorrowedFd, owner: Owner, file: &NewFile) -> Result<(), Failed> {
    let (directories, name) = file.path.rsplit_once('/').map_or((None, file.path), |(above, name)| (Some(above), name));
    let above = match directories {
        Some(directories) => make_directories(work, owner, directories)?,
        None => work.try_clone_to_owned().map_err(|error| Failed { step: "duplicate", errno: errno_of(&error) })?,
    };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = if file.executable { Mode::from(0o755) } else { Mode::from(0o644) };
    let made = openat2(&above, name, flags, mode, CONFINED).map_err(at("create"))?;
    give_to(&made, owner, mode)?;
    File::from(made).write_all(file.bytes).map_err(|error| Failed { step: "write", errno: errno_of(&error) })
}

/// Walks down, making what isn't there, and gives the last directory.
fn make_directories(work: BorrowedFd, owner: Owner, path: &str) -> Result<OwnedFd, Failed> {
    let mut here = work.try_clone_to_owned().map_err(|error| Failed { step: "duplicate", errno: errno_of(&error) })?;
    for name in path.split('/') {
        let mode = Mode::from(0o755);
        let made = match mkdirat(&here, name, mode) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(Failed { step: "make directory", errno }),
        };
        here = open_directory(here.as_fd(), name).map_err(at("open directory"))?;
        if made {
            give_to(&here, owner, mode)?;
        }
    }
    Ok(here)
}

fn open_directory(above: BorrowedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(above, name, flags, Mode::empty(), CONFINED)
}

/// Sets owner and mode by descriptor; the mode again, because a umask may have taken bits from it.
fn give_to(made: &OwnedFd, owner: Owner, mode: Mode) -> Result<(), Failed> {
    fchown(made, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))).map_err(at("change owner of"))?;
    fchmod(made, mode).map_err(at("change mode of"))
}

/// ENOSPC doesn't say of what.
fn what_is_full(work: &OwnedFd) -> Full {
    match fstatvfs(work) {
        Ok(numbers) if numbers.f_files > 0 && numbers.f_ffree == 0 => Full::Inodes,
        _ => Full::Bytes,
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
