//! What a worker must have to itself on its host: an instance name, and a block of user ids for its sandboxes.
//!
//! Both are held by `flock` on files below the run directory, so they end with the process, however that ends. Files are
//! never removed: a lock is on a file, and a removed one can be locked by two.
//!
//! ```text
//! RUN_DIR/                   0700, root
//!   turn.lock                locked while somebody takes a lease
//!   instances/NAME.lock      locked by the living instance; its content says where its leftovers would be
//!   uids/N.lock              locked by the instance that uses the host uids 16·N to 16·N + 15
//!   stage/NAME/              where the instance's forkserver stages root file systems
//!   spool/HOME/NAME/         results that the instance could not commit to the queue HOME; its own user's
//! ```
//!
//! Whoever takes a lease cleans up first after instances that are no more ([`janitor`]). Their names are used again, so
//! that what is kept by name (audit chains) goes on instead of piling up.

mod janitor;
mod locks;
pub mod spool;
#[cfg(test)]
mod tests;
mod uids;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::process::cgroups;
use locks::{Directory, Opened, wait_for_turn};

pub use locks::LeaseError;

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    pub run_dir: PathBuf,
    /// The operator's range; the block is taken from it.
    pub uids: Range,
    /// Sandboxes that may exist at a time, those made ahead included: a uid for each.
    pub slots: u32,
}

/// A range of host user ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Range {
    pub first: u32,
    pub count: u32,
}

/// What was given. Ends when this is dropped.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// `w-` and five characters.
    pub instance: String,
    pub first_uid: u32,
    /// At least as many as were asked for.
    pub uid_count: u32,
    /// Dead instances whose leftovers could not be removed. Their names and uids stay unused.
    pub unclean: Vec<String>,
    #[serde(skip)]
    _locks: Vec<File>,
}

impl Lease {
    /// The lease as a JSON document: `{instance, firstUid, uidCount, unclean}`.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// What a lock file of an instance says.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    uids: Option<Range>,
    /// Directories below which the instance makes `bullpen/NAME/…`.
    cgroups: Vec<PathBuf>,
}

/// The directory where `instance` stages root file systems. It is the engine that makes it, and the janitor that removes it.
pub fn stage_dir(run_dir: &Path, instance: &str) -> PathBuf {
    run_dir.join("stage").join(instance)
}

/// Takes a lease for this process; `request_json` is a [`Request`]. Cleans up after dead instances first, in at most some seconds.
pub fn take(request_json: &str) -> Result<Lease, LeaseError> {
    let request: Request =
        serde_json::from_str(request_json).map_err(|error| LeaseError::Request(error.to_string()))?;
    let hierarchies = cgroups::settle().map_err(|source| LeaseError::host("read", "/proc/self/cgroup", source))?;
    take_in(&request, hierarchies.directories().collect())
}

fn take_in(request: &Request, mut cgroups: Vec<PathBuf>) -> Result<Lease, LeaseError> {
    cgroups.sort();
    cgroups.dedup();
    let _turn = wait_for_turn(&request.run_dir)?;
    let instances = Directory::open(&request.run_dir, "instances")?;
    let unclean = janitor::clean(&request.run_dir, &instances, &cgroups)?;
    let block = uids::lock(&request.run_dir, request.uids, request.slots, &unclean)?;
    let unclean: Vec<String> = unclean.into_iter().map(|one| one.name).collect();
    let (instance, file) = lock_name(&instances, &unclean)?;
    let record = Record { uids: Some(block.range), cgroups };
    instances.write(&instance, serde_json::json!(record).to_string().as_bytes())?;
    let locks = block.locks.into_iter().chain([file]).collect();
    Ok(Lease { instance, first_uid: block.range.first, uid_count: block.range.count, unclean, _locks: locks })
}

/// The first name that nobody holds, a new one when all are held.
fn lock_name(instances: &Directory, unclean: &[String]) -> Result<(String, File), LeaseError> {
    for name in instances.names()?.into_iter().filter(|name| !unclean.contains(name)) {
        if let Opened::Locked(file) = instances.try_lock(&name)? {
            return Ok((name, file));
        }
    }
    loop {
        let name = new_name().map_err(|source| LeaseError::host("read", "/dev/urandom", source))?;
        if let Opened::Locked(file) = instances.try_lock(&name)? {
            return Ok((name, file));
        }
    }
}

fn new_name() -> std::io::Result<String> {
    let mut random = [0; 5];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let character = |byte: &u8| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(byte % 32)]);
    Ok(format!("w-{}", random.iter().map(character).collect::<String>()))
}

/// A record that was not written to its end says nothing; its instance had not begun to work then.
fn read_record(file: &mut File) -> std::io::Result<Record> {
    let mut text = String::new();
    file.rewind()?;
    file.take(64 << 10).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
