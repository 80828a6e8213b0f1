//! Opening one artifact: what was a regular file a moment ago may be anything by now.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat2};
use rustix::io::Errno;

use crate::CONFINED;
use crate::collect::Reason;

/// A regular file with one name that may be read.
#[derive(Debug)]
pub(crate) struct Opened {
    pub file: OwnedFd,
    /// Its logical size.
    pub bytes: u64,
}

/// Opens the regular file at `path` if its logical size is at most `room` bytes. Follows no link, waits for no pipe.
pub(crate) fn open(work: BorrowedFd, path: &[u8], room: u64) -> Result<Opened, Reason> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat2(work, path, flags, Mode::empty(), CONFINED).map_err(|errno| match errno {
        Errno::LOOP => Reason::Symlink,
        Errno::NXIO | Errno::ISDIR | Errno::XDEV => Reason::NotRegular,
        _ => Reason::Unreadable,
    })?;
    let status = fstat(&file).map_err(|_| Reason::Unreadable)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(Reason::NotRegular);
    }
    if status.st_nlink != 1 {
        return Err(Reason::Hardlink);
    }
    let bytes = u64::try_from(status.st_size).map_err(|_| Reason::Unreadable)?;
    if bytes > room { Err(Reason::TooLarge) } else { Ok(Opened { file, bytes }) }
}
