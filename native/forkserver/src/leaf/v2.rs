//! cgroup v2: one hierarchy. A process is born in its leaf, and all of a leaf is killed at once.

use super::accounts::{Alarm, Cpu, Memory};
use super::directory::Directory;
use super::{CPU_PERIOD_US, quota_us, whole_pages};
use forkserver::kernel;
use leave_out::Part;
use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::{Errno, pread, write};
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

/// The value of a layer that v2 keeps.
pub const V2: &str = "v2";

pub struct V2Memory {
    directory: Rc<Directory>,
    /// `memory.peak`, reset: the new peak is read through the same descriptor only.
    reset: RefCell<Option<OwnedFd>>,
}

impl V2Memory {
    pub fn new(directory: Rc<Directory>) -> V2Memory {
        V2Memory { directory, reset: RefCell::new(None) }
    }

    /// A kernel without swap has neither the file nor `/proc/swaps`; one that doesn't count swap has the latter.
    fn forbid_swap(&self) -> Result<(), Errno> {
        match self.directory.set("memory.swap.max", "0") {
            Err(Errno::NOENT) if !Path::new("/proc/swaps").exists() => Ok(()),
            result => result,
        }
    }
}

impl Memory for V2Memory {
    fn kept_by(&self) -> Option<&'static str> {
        Some(V2)
    }

    fn limit(&self, bytes: u64) -> Result<(), Errno> {
        if !leave_out::is(Part::SwapLimit) {
            self.forbid_swap()?;
        }
        self.directory.set("memory.oom.group", "1")?;
        self.directory.set("memory.max", &whole_pages(bytes).to_string())
    }

    fn kills(&self) -> Result<u64, Errno> {
        self.directory.field("memory.events", "oom_kill")
    }

    /// Since Linux 6.12.
    fn forget_peak(&self) -> Result<bool, Errno> {
        let reset = self.directory.file("memory.peak", OFlags::RDWR).and_then(|file| {
            write(&file, b"0")?;
            Ok(file)
        });
        *self.reset.borrow_mut() = reset.ok();
        Ok(self.reset.borrow().is_some())
    }

    /// Since Linux 5.19.
    fn peak(&self) -> Result<Option<u64>, Errno> {
        match &*self.reset.borrow() {
            Some(file) => number_at_start(file).map(Some),
            None => self.directory.number_if_there("memory.peak"),
        }
    }

    /// `memory.events` itself: whenever one of its counters rises.
    fn alarm(&self) -> Result<Option<Alarm>, Errno> {
        let fd = self.directory.file("memory.events", OFlags::RDONLY)?;
        let alarm = Alarm { fd, interest: PollFlags::PRI, is_early: false };
        alarm.clear();
        Ok(Some(alarm))
    }

    fn residue(&self) -> Result<u64, Errno> {
        self.directory.sum("memory.stat", &["active_file", "inactive_file"])
    }

    /// Since Linux 5.19; by then the kernel drops what it can of that many bytes, and says so when it was less.
    fn release(&self) -> Result<(), Errno> {
        match self.directory.write("memory.reclaim", &self.residue()?.to_string()) {
            Err(Errno::NOENT | Errno::AGAIN) => Ok(()),
            result => result,
        }
    }
}

fn number_at_start(file: &OwnedFd) -> Result<u64, Errno> {
    let mut text = [0; 32];
    let count = pread(file, &mut text, 0)?;
    std::str::from_utf8(&text[..count]).ok().and_then(kernel::number).ok_or(Errno::BADMSG)
}

pub struct V2Cpu(pub Rc<Directory>);

impl Cpu for V2Cpu {
    fn kept_by(&self) -> Option<&'static str> {
        Some(V2)
    }

    fn limit(&self, millis: u64) -> Result<(), Errno> {
        self.0.set("cpu.max", &format!("{} {CPU_PERIOD_US}", quota_us(millis)))
    }

    fn used(&self) -> Result<u64, Errno> {
        self.0.field("cpu.stat", "usage_usec").map(|us| us * 1000)
    }

    fn throttled(&self) -> Result<u64, Errno> {
        self.0.field("cpu.stat", "throttled_usec").map(|us| us * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as a kernel that can start the peak anew (6.12) shows them. The readers are tried alone: no host of ours has both that
    /// kernel and its memory controller in v2.
    fn leaf() -> (tempfile::TempDir, V2Memory) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("memory.peak"), "52428800\n").expect("a file");
        let directory = Directory::open(dir.path().to_str().expect("UTF-8")).expect("open");
        (dir, V2Memory::new(Rc::new(directory)))
    }

    #[test]
    fn a_peak_that_was_started_anew_is_read_through_the_descriptor_that_did_it() {
        let (dir, memory) = leaf();
        assert_eq!(memory.peak(), Ok(Some(52_428_800)));
        assert_eq!(memory.forget_peak(), Ok(true));
        let file = dir.path().join("memory.peak");
        std::fs::write(&file, "4096\n").expect("what the kernel shows this descriptor");
        std::fs::rename(&file, dir.path().join("elsewhere")).expect("moved");
        std::fs::write(&file, "99999999\n").expect("what it shows others");
        assert_eq!(memory.peak(), Ok(Some(4096)));
    }

    #[test]
    fn a_kernel_without_the_file_has_no_peak() {
        let (dir, memory) = leaf();
        std::fs::remove_file(dir.path().join("memory.peak")).expect("removed");
        assert_eq!((memory.forget_peak(), memory.peak()), (Ok(false), Ok(None)));
    }
}
