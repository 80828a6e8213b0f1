//! Where an instance keeps results that it could not commit, and what dead instances left there.
//!
//! The files are the business of the worker's own user, who may be another for each instance and was not to be trusted while it
//! lived. So they are taken over here, while this process is still root: by descriptor, a directory that root made, in it regular
//! files with one name that belong to the directory's owner, and nothing else. What is *in* them is read later, by whoever they belong
//! to then. Each queue of each Redis has a directory (`HOME`) of its own: no worker of another writes there.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, fstat, mkdirat, openat,
    renameat_with, unlinkat,
};
use rustix::io::Errno;
use serde::Deserialize;

use super::locks::{Directory, LeaseError, Opened};

/// Entries of one directory that are looked at; a spool holds at most 10,000 results.
const MAX_ENTRIES: usize = 20_000;

/// Whose spool.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    pub run_dir: PathBuf,
    /// 1 to 64 lower-case letters and digits that stand for one queue of one Redis.
    pub home: String,
    /// Leased by this process.
    pub instance: String,
    /// Who will read and write it; as it is, if nobody is named.
    pub owner: Option<Owner>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// Opens the instance's spool directory (made when missing, 0700) with all that dead instances of the same home left in it.
/// `request_json` is a [`Request`].
pub fn claim(request_json: &str) -> Result<OwnedFd, LeaseError> {
    let request: Request =
        serde_json::from_str(request_json).map_err(|error| LeaseError::Request(error.to_string()))?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !(1..=64).contains(&request.home.len()) || !request.home.bytes().all(plain) {
        return Err(LeaseError::Request("home must be lower-case letters and digits".to_owned()));
    }
    Directory::open(&request.run_dir, "spool")?;
    let path = request.run_dir.join("spool").join(&request.home);
    let failed = |step| {
        let path = path.clone();
        move |errno: Errno| LeaseError::host(step, &path, errno.into())
    };
    let home = make(CWD, &path).map_err(failed("make directory"))?;
    let own = make(&home, Path::new(&request.instance)).map_err(failed("make directory"))?;
    let instances = Directory::open(&request.run_dir, "instances")?;
    for name in names(&home).map_err(failed("list"))? {
        let Ok(name) = String::from_utf8(name) else { continue };
        if name == request.instance {
            continue;
        }
        // Held while its files move: nobody begins under that name meanwhile.
        if is_instance(&name)
            && let Opened::Locked(_lock) = instances.try_lock(&name)?
        {
            inherit(&home, &name, &own).map_err(failed("take over"))?;
        }
    }
    if let Some(owner) = request.owner {
        give(&own, owner).map_err(failed("give away"))?;
    }
    Ok(own)
}

/// As the forkserver has them too.
fn is_instance(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Moves a dead instance's results. A directory with anything else in it stays, with that.
fn inherit(home: &OwnedFd, name: &str, own: &OwnedFd) -> Result<(), Errno> {
    let dead = match open_directory(home, Path::new(name)) {
        Ok(dead) => dead,
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    for file in names(&dead)? {
        if is_result(&file) && open_result(&dead, &file)?.is_some() {
            // One that is there already is the same execution's.
            match renameat_with(&dead, &*file, own, &*file, RenameFlags::NOREPLACE) {
                Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    match unlinkat(home, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The directory and the results in it become the owner's. What else is there is removed if it can be: names are only this user's.
fn give(own: &OwnedFd, owner: Owner) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    // First the directory becomes ours alone: whoever it belonged to, and may still live, adds nothing more.
    fchown(own, Some(Uid::ROOT), Some(Gid::ROOT))?;
    fchmod(own, Mode::RWXU)?;
    for name in names(own)? {
        match open_result(own, &name)? {
            Some(file) if is_result(&name) => {
                fchown(&file, Some(uid), Some(gid))?;
                fchmod(&file, Mode::RUSR | Mode::WUSR)?;
            }
            _ => _ = unlinkat(own, &*name, AtFlags::empty()),
        }
    }
    fchown(own, Some(uid), Some(gid))
}

/// A regular file with one name, or nothing.
fn open_result(directory: &OwnedFd, name: &[u8]) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(directory, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
        Err(errno) => return Err(errno),
    };
    let status = fstat(&file)?;
    let plain = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile && status.st_nlink == 1;
    Ok(plain.then_some(file))
}

/// `UID-EPOCH.result`.
fn is_result(name: &[u8]) -> bool {
    let Some((uid, epoch)) = std::str::from_utf8(name)
        .ok()
        .and_then(|name| name.strip_suffix(".result"))
        .and_then(|name| name.split_once('-'))
    else {
        return false;
    };
    uid.len() == 26
        && uid.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
        && (1..=9).contains(&epoch.len())
        && epoch.bytes().all(|byte| byte.is_ascii_digit())
}

fn names(directory: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let entries = Dir::read_from(directory.as_fd())?;
    let name =
        |entry: rustix::io::Result<rustix::fs::DirEntry>| entry.map(|entry| entry.file_name().to_bytes().to_vec());
    let all: Result<Vec<Vec<u8>>, Errno> = entries.take(MAX_ENTRIES).map(name).collect();
    Ok(all?.into_iter().filter(|name| !matches!(&**name, b"." | b"..")).collect())
}

fn make(above: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    match mkdirat(&above, path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => open_directory(above, path),
        Err(errno) => Err(errno),
    }
}

fn open_directory(above: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    openat(above, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    const RESULT: &str = "abcdefghijklmnopqrstuvwxyz-1.result";
    const OTHER: &str = "abcdefghijklmnopqrstuvwxyz-2.result";

    fn claimed(run_dir: &Path, instance: &str, owner: Option<u32>) -> PathBuf {
        let owner = owner.map(|id| serde_json::json!({ "uid": id, "gid": id }));
        let request = serde_json::json!({ "runDir": run_dir, "home": "abc1", "instance": instance, "owner": owner });
        let own = claim(&request.to_string()).expect("a spool");
        fs::read_link(format!("/proc/self/fd/{}", own.as_raw_fd())).expect("its path")
    }

    fn run_dir() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).expect("its mode");
        directory
    }

    #[test]
    fn what_a_dead_instance_left_becomes_the_next_ones() {
        let run = run_dir();
        let dead = claimed(run.path(), "w-aaaaa", Some(1_234));
        fs::write(dead.join(RESULT), "left").expect("write");
        fs::write(dead.join("half.part"), "not whole").expect("write");
        let own = claimed(run.path(), "w-bbbbb", Some(4_321));
        let status = fs::metadata(own.join(RESULT)).expect("moved");
        assert_eq!((status.uid(), status.gid(), status.mode() & 0o777), (4_321, 4_321, 0o600));
        assert_eq!(fs::metadata(&own).expect("own").uid(), 4_321);
        assert!(dead.join("half.part").exists(), "what is no result stays where it was");
    }

    #[test]
    fn a_living_instance_keeps_its_own() {
        let run = run_dir();
        let alive = claimed(run.path(), "w-aaaaa", None);
        fs::write(alive.join(RESULT), "mine").expect("write");
        let instances = Directory::open(run.path(), "instances").expect("instances");
        let lock = instances.try_lock("w-aaaaa").expect("a lock");
        claimed(run.path(), "w-bbbbb", Some(4_321));
        assert!(alive.join(RESULT).exists());
        drop(lock);
        assert!(claimed(run.path(), "w-bbbbb", Some(4_321)).join(RESULT).exists());
    }

    #[test]
    fn nothing_that_was_planted_is_given_away() {
        let run = run_dir();
        let victim = run.path().join("victim");
        fs::write(&victim, "root's").expect("write");
        let dead = claimed(run.path(), "w-aaaaa", Some(1_234));
        symlink(&victim, dead.join(RESULT)).expect("link");
        fs::hard_link(&victim, dead.join(OTHER)).expect("link");
        symlink(run.path(), run.path().join("spool/abc1/w-ccccc")).expect("link");
        let own = claimed(run.path(), "w-bbbbb", Some(4_321));
        assert_eq!(fs::read_dir(&own).expect("own").count(), 0);
        // The next of the same name doesn't follow them either.
        claimed(run.path(), "w-aaaaa", Some(4_321));
        assert_eq!(fs::metadata(&victim).expect("victim").uid(), rustix::process::getuid().as_raw());
        assert_eq!(fs::read_dir(&dead).expect("own").count(), 0);
    }

    #[test]
    fn names_of_directories_lead_nowhere_else() {
        let run = run_dir();
        for home in ["", "..", "a/b", "A"] {
            let request =
                serde_json::json!({ "runDir": run.path(), "home": home, "instance": "w-aaaaa", "owner": null });
            assert!(claim(&request.to_string()).is_err(), "{home}");
        }
        assert!(is_result(RESULT.as_bytes()) && is_instance("w-ab2cd"));
        for name in ["x.result", "../abcdefghijklmnopqrstuvwxyz-1.result", "abcdefghijklmnopqrstuvwxyz-.result"] {
            assert!(!is_result(name.as_bytes()), "{name}");
        }
    }
}
