//! Lock files in directories that only this user can write to.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

/// Names in one directory that are looked at; far more than instances or blocks can be.
const MAX_NAMES: usize = 65_536;

/// How long others may take to get their leases, which is mostly their cleaning up.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The request isn't one.
    #[error("lease: {0}")]
    Request(String),
    /// All uids of the operator's range are leased, or the range is too small.
    #[error("lease: no {wanted} consecutive uids are free of {count} from {first}. Remedy: a larger range in uids")]
    NoUids { wanted: u32, first: u32, count: u32 },
    /// Another process has been taking a lease for half a minute.
    #[error("lease: {path} stays locked: another worker on this host is stuck at its start")]
    Stuck { path: String },
    /// The run directory can be written to by others.
    #[error("lease: {path} must belong to this user alone, mode 0700")]
    Exposed { path: String },
    /// The host refused a step.
    #[error("lease: {step} {path}: {source}")]
    Host { step: &'static str, path: String, source: std::io::Error },
}

impl LeaseError {
    pub(super) fn host(step: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> LeaseError {
        LeaseError::Host { step, path: path.as_ref().display().to_string(), source }
    }

    /// A short name of the kind of error, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            LeaseError::Request(_) => "lease-request",
            LeaseError::NoUids { .. } => "lease-uids",
            LeaseError::Stuck { .. } => "lease-stuck",
            LeaseError::Exposed { .. } => "lease-exposed",
            LeaseError::Host { .. } => "lease-host",
        }
    }
}

/// A directory of lock files.
pub(super) struct Directory {
    path: PathBuf,
}

/// What came of trying to lock a file.
pub(super) enum Opened {
    Locked(File),
    Held,
}

impl Directory {
    /// Opens `RUN_DIR/name`; both are made when missing.
    pub(super) fn open(run_dir: &Path, name: &str) -> Result<Directory, LeaseError> {
        let path = run_dir.join(name);
        for directory in [run_dir, &path] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|source| LeaseError::host("make directory", directory, source))?;
            refuse_exposed(directory)?;
        }
        Ok(Directory { path })
    }

    /// The lock file of a name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.lock"))
    }

    /// The names that have a lock file, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>, LeaseError> {
        let failed = |source| LeaseError::host("list", &self.path, source);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)?.take(MAX_NAMES) {
            let file_name = entry.map_err(failed)?.file_name();
            names.extend(file_name.to_str().and_then(|name| name.strip_suffix(".lock")).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Replaces the content of a lock file that we have locked.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<(), LeaseError> {
        let path = self.path(name);
        let file = OpenOptions::new().write(true).truncate(true).custom_flags(libc::O_NOFOLLOW).open(&path);
        file.and_then(|mut file| file.write_all(content)).map_err(|source| LeaseError::host("write", &path, source))
    }

    /// Locks a name for this process, if nobody has it. Doesn't wait.
    pub(super) fn try_lock(&self, name: &str) -> Result<Opened, LeaseError> {
        try_lock(&self.path(name))
    }
}

/// Waits for the turn to take a lease: one at a time, so that nobody takes what another is still cleaning up.
pub(super) fn wait_for_turn(run_dir: &Path) -> Result<File, LeaseError> {
    let path = Directory::open(run_dir, "instances")?.path.with_file_name("turn.lock");
    let deadline = Instant::now() + PATIENCE;
    loop {
        match try_lock(&path)? {
            Opened::Locked(file) => return Ok(file),
            Opened::Held if Instant::now() >= deadline => {
                return Err(LeaseError::Stuck { path: path.display().to_string() });
            }
            Opened::Held => sleep(PAUSE),
        }
    }
}

/// The descriptor is for reading: a process that has given up its privileges keeps it, and what it could write there the next
/// worker would act on as root.
fn try_lock(path: &Path) -> Result<Opened, LeaseError> {
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR)
        .map(File::from)
        .map_err(|errno| LeaseError::host("open", path, errno.into()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Opened::Locked(file)),
        Err(Errno::WOULDBLOCK) => Ok(Opened::Held),
        Err(errno) => Err(LeaseError::host("lock", path, errno.into())),
    }
}

fn refuse_exposed(directory: &Path) -> Result<(), LeaseError> {
    let status =
        std::fs::symlink_metadata(directory).map_err(|source| LeaseError::host("look at", directory, source))?;
    let ours = status.uid() == rustix::process::geteuid().as_raw();
    if status.is_dir() && ours && status.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(LeaseError::Exposed { path: directory.display().to_string() })
}
