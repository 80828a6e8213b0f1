//! What dead instances left: processes in control groups that carry their name, and the directory they staged in. Nothing
//! is found by pattern or guess: only what lies below `bullpen/NAME/` of a NAME whose lock we hold is touched.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::locks::{Directory, LeaseError, Opened};
use super::{Range, read_record, stage_dir};

/// How long the processes of one dead instance may take to die. They are killed, so it is the kernel's time.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// A dead instance that could not be cleaned up after.
pub(super) struct Unclean {
    pub name: String,
    pub uids: Option<Range>,
}

/// Cleans up after every instance that nobody holds, holding its lock meanwhile. `cgroups`: where this process makes its
/// own groups, in case a dead one didn't get to say where it did.
pub(super) fn clean(run_dir: &Path, instances: &Directory, cgroups: &[PathBuf]) -> Result<Vec<Unclean>, LeaseError> {
    let mut unclean = Vec::new();
    for name in instances.names()? {
        let Opened::Locked(mut file) = instances.try_lock(&name)? else { continue };
        let record =
            read_record(&mut file).map_err(|source| LeaseError::host("read", instances.path(&name), source))?;
        let places = record.cgroups.iter().chain(cgroups).map(|place| place.join("bullpen").join(&name));
        if clean_one(places, &stage_dir(run_dir, &name)).is_err() {
            unclean.push(Unclean { name, uids: record.uids });
        }
    }
    Ok(unclean)
}

fn clean_one(places: impl Iterator<Item = PathBuf>, stage: &Path) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for place in places {
        for leaf in directories(&place)? {
            empty(&leaf, deadline)?;
        }
        remove(&place, deadline)?;
    }
    remove(stage, deadline)
}

/// Kills until the group is empty, then removes it.
fn empty(leaf: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        let members = members(leaf)?;
        if members.is_empty() {
            return remove(leaf, deadline);
        }
        if Instant::now() >= deadline {
            return Err(ErrorKind::TimedOut.into());
        }
        members.into_iter().for_each(|pid| kill(leaf, pid));
        sleep(PAUSE);
    }
}

/// Kills a member. The number may have gone to another process since it was read, so it is looked up again once a
/// descriptor holds on to whatever it means.
fn kill(leaf: &Path, pid: Pid) {
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if members(leaf).is_ok_and(|members| members.contains(&pid)) {
        // It fails only for a process that is gone already.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

fn members(leaf: &Path) -> io::Result<Vec<Pid>> {
    let text = unless_missing(fs::read_to_string(leaf.join("cgroup.procs")))?.unwrap_or_default();
    Ok(text.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)).collect())
}

fn directories(place: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(entries) = unless_missing(fs::read_dir(place))? else { return Ok(Vec::new()) };
    let mut directories = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(directories)
}

/// Removes an empty directory. A control group is busy for a moment after its last process died.
fn remove(directory: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match unless_missing(fs::remove_dir(directory)) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::BUSY) && Instant::now() < deadline => {
                sleep(PAUSE)
            }
            other => return other.map(|_| ()),
        }
    }
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
