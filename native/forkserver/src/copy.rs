//! Copies of the host's `/etc` entries into a root file system: regular files, directories and links, nothing else.

use crate::tree::Tree;
use leave_out::Part;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, copy};
use std::os::fd::{AsFd, OwnedFd};

/// Largest file that is copied, bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Deepest directory below a copied path.
const MAX_DEPTH: u32 = 16;

/// Copies `path` to the same place in `tree`; missing on the host is fine. What only some users of the host may read is left out:
/// the copy is readable by every sandbox. Sockets, pipes and devices are left out too.
pub fn copy_from_host(tree: &Tree, path: &str) -> Result<(), Errno> {
    let (parent, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
    let parent = if parent.is_empty() { "/" } else { parent };
    match openat(CWD, parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(dir) => copy_entry(tree, &dir, name, path, 0),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn copy_entry(tree: &Tree, dir: &OwnedFd, name: &str, target: &str, depth: u32) -> Result<(), Errno> {
    let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink if !tree.holds(target)? => {
            let link = readlinkat(dir, name, Vec::new())?;
            tree.symlink(target, link.to_str().map_err(|_| Errno::ILSEQ)?)
        }
        FileType::RegularFile
            if (stat.st_mode & 0o004 != 0 || leave_out::is(Part::CopiesForAll)) && !tree.holds(target)? =>
        {
            copy_file(tree, dir, name, target, &stat)
        }
        FileType::Directory if stat.st_mode & 0o005 == 0o005 => copy_directory(tree, dir, name, target, depth),
        _ => Ok(()),
    }
}

fn copy_file(tree: &Tree, dir: &OwnedFd, name: &str, target: &str, stat: &Stat) -> Result<(), Errno> {
    let source =
        openat(dir, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let mode = if stat.st_mode & 0o001 != 0 { 0o755 } else { 0o644 };
    let mut to = File::from(tree.file(target, mode)?);
    let copied = copy(&mut File::from(source).take(MAX_FILE + 1), &mut to).map_err(|_| Errno::IO)?;
    if copied > MAX_FILE { Err(Errno::FBIG) } else { Ok(()) }
}

fn copy_directory(tree: &Tree, dir: &OwnedFd, name: &str, target: &str, depth: u32) -> Result<(), Errno> {
    if depth == MAX_DEPTH {
        return Err(Errno::LOOP);
    }
    let source =
        openat(dir, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    tree.directory(target)?;
    for entry in Dir::read_from(source.as_fd())? {
        let entry = entry?;
        let name = entry.file_name().to_str().map_err(|_| Errno::ILSEQ)?;
        if name != "." && name != ".." {
            copy_entry(tree, &source, name, &format!("{target}/{name}"), depth + 1)?;
        }
    }
    Ok(())
}
