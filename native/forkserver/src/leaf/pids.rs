//! The pids controller: the same files in v1 and v2.

use super::accounts::Tasks;
use super::directory::Directory;
use rustix::io::Errno;
use std::rc::Rc;

pub struct Pids {
    pub directory: Rc<Directory>,
    /// The value of its layer.
    pub kept_by: &'static str,
}

impl Tasks for Pids {
    fn kept_by(&self) -> Option<&'static str> {
        Some(self.kept_by)
    }

    fn limit(&self, tasks: u64) -> Result<(), Errno> {
        self.directory.set("pids.max", &tasks.to_string())
    }

    fn refused(&self) -> Result<u64, Errno> {
        self.directory.field("pids.events", "max")
    }

    /// Since Linux 6.1.
    fn peak(&self) -> Result<Option<u64>, Errno> {
        self.directory.number_if_there("pids.peak")
    }
}
