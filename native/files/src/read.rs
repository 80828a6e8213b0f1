//! Opening one artifact: what was a regular file a moment ago may be anything by now.

use leave_out::Part;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat2};
use rustix::io::Errno;

use crate::collect::Reason;
use crate::confined;

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
    let waiting = if leave_out::is(Part::ArtifactWait) { OFlags::NONBLOCK } else { OFlags::empty() };
    let followed = if confined().is_empty() { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = flags.difference(waiting | followed);
    let file = openat2(work, path, flags, Mode::empty(), confined()).map_err(|errno| match errno {
        Errno::LOOP => Reason::Symlink,
        Errno::NXIO | Errno::ISDIR | Errno::XDEV => Reason::NotRegular,
        _ => Reason::Unreadable,
    })?;
    let status = fstat(&file).map_err(|_| Reason::Unreadable)?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile && !leave_out::is(Part::ArtifactRegular) {
        return Err(Reason::NotRegular);
    }
    if status.st_nlink != 1 && !leave_out::is(Part::ArtifactHardLinks) {
        return Err(Reason::Hardlink);
    }
    let bytes = u64::try_from(status.st_size).map_err(|_| Reason::Unreadable)?;
    let room = if leave_out::is(Part::ArtifactBytes) { u64::MAX } else { room };
    if bytes > room { Err(Reason::TooLarge) } else { Ok(Opened { file, bytes }) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use rustix::fs::{CWD, makedev, mknodat};

    use super::*;

    #[test]
    fn alone_opening_follows_nothing_and_waits_for_nothing() {
        let place = tempfile::tempdir().expect("directory");
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("file"), "text").expect("written");
        std::fs::write(at("other"), "text").expect("written");
        std::fs::hard_link(at("other"), at("hard")).expect("linked");
        std::fs::create_dir(at("directory")).expect("made");
        std::os::unix::fs::symlink("file", at("link")).expect("linked");
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).expect("made");
        mknodat(CWD, at("device"), FileType::CharacterDevice, Mode::RWXU, makedev(1, 3)).expect("made");
        let work = File::open(place.path()).expect("opened");
        let (answer, answered) = channel();
        std::thread::spawn(move || {
            for name in ["file", "hard", "directory", "link", "device", "pipe"] {
                let _ = answer.send(open(work.as_fd(), name.as_bytes(), 4).map(|opened| opened.bytes));
            }
        });
        let next = || answered.recv_timeout(Duration::from_secs(10)).expect("it waits");
        assert_eq!(next(), Ok(4));
        let rest = [Reason::Hardlink, Reason::NotRegular, Reason::Symlink, Reason::NotRegular, Reason::NotRegular];
        assert_eq!([next(), next(), next(), next(), next()], rest.map(Err));
    }
}
