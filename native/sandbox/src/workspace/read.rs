//! Reading one artifact: what was a regular file a moment ago may be anything by now.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Mode, OFlags, fstat, openat2};
use rustix::io::Errno;

use super::CONFINED;
use super::collect::Reason;

/// Reads the regular file at `path` if its logical size is at most `room` bytes. Follows no link, waits for no pipe.
pub(super) fn read(work: BorrowedFd, path: &[u8], room: u64) -> Result<Vec<u8>, Reason> {
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
    let size = u64::try_from(status.st_size).map_err(|_| Reason::Unreadable)?;
    if size > room {
        return Err(Reason::TooLarge);
    }
    read_exactly(file.into(), size).ok_or(Reason::Unreadable)
}

/// Reads `size` bytes: a file that grows meanwhile is cut there, one that shrinks gives what is left.
fn read_exactly(file: File, size: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(size).ok()?).ok()?;
    file.take(size).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
