//! Making directories, files and links below a directory that is open, never through a symbolic link.

use rustix::fs::{AtFlags, Mode, OFlags, fstat, mkdirat, openat, statat, symlinkat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// A place to build in.
pub struct Tree {
    root: OwnedFd,
}

impl Tree {
    pub fn at(root: OwnedFd) -> Tree {
        Tree { root }
    }

    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Opens the directory `path` (absolute inside the tree), making what is missing, mode 0755.
    pub fn directory(&self, path: &str) -> Result<OwnedFd, Errno> {
        let mut dir = openat(&self.root, ".", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        for name in names(path)? {
            match mkdirat(&dir, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            dir = openat(&dir, name, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        }
        Ok(dir)
    }

    /// A new file in a directory that is made if missing; `mode` is what others may do with it.
    pub fn file(&self, path: &str, mode: u32) -> Result<OwnedFd, Errno> {
        let (parent, name) = split(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(self.directory(parent)?, name, flags, Mode::from_raw_mode(mode))
    }

    /// A symbolic link; one that is there already and says the same is fine.
    pub fn symlink(&self, path: &str, target: &str) -> Result<(), Errno> {
        let (parent, name) = split(path)?;
        symlinkat(target, self.directory(parent)?, name)
    }

    /// Is something there (a dangling link counts)?
    pub fn holds(&self, path: &str) -> Result<bool, Errno> {
        let (parent, name) = split(path)?;
        match statat(self.directory(parent)?, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

/// Is `path` absolute, without empty, `.` and `..` names in it?
pub fn is_normal(path: &str) -> bool {
    names(path).is_ok()
}

/// The names of an absolute, normalised path.
fn names(path: &str) -> Result<Vec<&str>, Errno> {
    let rest = path.strip_prefix('/').ok_or(Errno::INVAL)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = rest.split('/').collect();
    if names.iter().any(|name| matches!(*name, "" | "." | "..") || name.contains('\0')) {
        return Err(Errno::INVAL);
    }
    Ok(names)
}

fn split(path: &str) -> Result<(&str, &str), Errno> {
    let (parent, name) = path.rsplit_once('/').ok_or(Errno::INVAL)?;
    if name.is_empty() {
        return Err(Errno::INVAL);
    }
    Ok((if parent.is_empty() { "/" } else { parent }, name))
}

/// A device's number as (major, minor), if `node` is a character device.
pub fn device_number(node: &OwnedFd) -> Result<Option<(u32, u32)>, Errno> {
    let stat = fstat(node)?;
    let is_device = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice;
    Ok(is_device.then(|| (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_normalised_paths_have_names() {
        assert_eq!(names("/usr/lib"), Ok(vec!["usr", "lib"]));
        assert_eq!(names("/"), Ok(vec![]));
        for bad in ["usr", "", "/usr/", "/usr/../etc", "/./usr", "//usr"] {
            assert_eq!(names(bad), Err(Errno::INVAL), "{bad}");
        }
    }

    #[test]
    fn a_path_splits_into_parent_and_name() {
        assert_eq!(split("/etc/passwd"), Ok(("/etc", "passwd")));
        assert_eq!(split("/bin"), Ok(("/", "bin")));
        assert_eq!(split("/etc/"), Err(Errno::INVAL));
    }
}
