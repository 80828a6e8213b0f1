//! One cgroup directory by descriptor, and the files in it.

use forkserver::kernel;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::{Errno, read, write};
use std::os::fd::{AsFd, OwnedFd};

/// An open cgroup.
pub struct Directory(OwnedFd);

impl Directory {
    /// Opens the one at an absolute path.
    pub fn open(path: &str) -> Result<Directory, Errno> {
        open_dir(CWD, path).map(Directory)
    }

    /// Makes the one called `name` below this one and opens it.
    pub fn make(&self, name: &str, may_exist: bool) -> Result<Directory, Errno> {
        match mkdirat(&self.0, name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) if may_exist => {}
            result => result?,
        }
        open_dir(&self.0, name).map(Directory)
    }

    /// Removes the one called `name`; that it isn't there is as good.
    pub fn remove(&self, name: &str) -> Result<(), Errno> {
        match unlinkat(&self.0, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT) => Ok(()),
            result => result,
        }
    }

    /// Removes the groups in it that are empty: those of a forkserver that was killed, with whom everything in them died.
    pub fn remove_empty(&self) {
        let Ok(entries) = Dir::read_from(&self.0) else { return };
        let names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_owned()).collect();
        for name in names {
            // Leaves have numbers for names. One that isn't empty after all stays, for the worker's janitor.
            if let Ok(name) = name.to_str()
                && name.bytes().all(|byte| byte.is_ascii_digit())
            {
                let _ = self.remove(name);
            }
        }
    }

    /// Opens a file of it.
    pub fn file(&self, name: &str, mode: OFlags) -> Result<OwnedFd, Errno> {
        openat(&self.0, name, mode | OFlags::CLOEXEC, Mode::empty())
    }

    pub fn write(&self, file: &str, value: &str) -> Result<(), Errno> {
        // The kernel takes such a value whole or not at all.
        write(self.file(file, OFlags::WRONLY)?, value.as_bytes()).map(drop)
    }

    /// Writes a value and reads it back; `ERANGE` when the kernel made another of it.
    pub fn set(&self, file: &str, value: &str) -> Result<(), Errno> {
        self.write(file, value)?;
        if self.read(file)?.trim() == value { Ok(()) } else { Err(Errno::RANGE) }
    }

    pub fn read(&self, file: &str) -> Result<String, Errno> {
        let file = self.file(file, OFlags::RDONLY)?;
        let mut bytes = Vec::with_capacity(512);
        let mut chunk = [0u8; 4096];
        loop {
            match read(&file, &mut chunk)? {
                0 => return String::from_utf8(bytes).map_err(|_| Errno::BADMSG),
                count => bytes.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// A file that holds one number.
    pub fn number(&self, file: &str) -> Result<u64, Errno> {
        kernel::number(&self.read(file)?).ok_or(Errno::BADMSG)
    }

    /// As [`Directory::number`]; `None` on kernels without the file.
    pub fn number_if_there(&self, file: &str) -> Result<Option<u64>, Errno> {
        match self.number(file) {
            Err(Errno::NOENT) => Ok(None),
            result => result.map(Some),
        }
    }

    /// The number behind `key` in a file of `key number` lines.
    pub fn field(&self, file: &str, key: &str) -> Result<u64, Errno> {
        kernel::field(&self.read(file)?, key).ok_or(Errno::BADMSG)
    }

    /// The sum of the numbers behind `keys`; all of them must be there.
    pub fn sum(&self, file: &str, keys: &[&str]) -> Result<u64, Errno> {
        let text = self.read(file)?;
        keys.iter().try_fold(0u64, |sum, key| Ok(sum.saturating_add(kernel::field(&text, key).ok_or(Errno::BADMSG)?)))
    }

    /// The processes in it, by the forkserver's numbers (0: one that it can't see).
    pub fn members(&self) -> Result<Vec<i32>, Errno> {
        kernel::members(&self.read("cgroup.procs")?).ok_or(Errno::BADMSG)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open_dir(at: impl AsFd, path: &str) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}
