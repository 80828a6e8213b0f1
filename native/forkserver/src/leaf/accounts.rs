//! What a leaf limits and counts: one small interface for each resource, whatever keeps it.

use rustix::event::PollFlags;
use rustix::io::{Errno, pread, read};
use std::os::fd::OwnedFd;

/// Memory, swap included.
pub trait Memory {
    /// What keeps it: the value of its layer. `None`: nothing does.
    fn kept_by(&self) -> Option<&'static str>;
    fn limit(&self, bytes: u64) -> Result<(), Errno>;
    /// How often the kernel killed for memory here. Never a counter of failed charges: reclaim fails, and succeeds at the next
    /// try, in programs that keep their limit.
    fn kills(&self) -> Result<u64, Errno>;
    /// Starts the peak anew; false where the kernel can't.
    fn forget_peak(&self) -> Result<bool, Errno>;
    /// Most bytes at once; `None` where the kernel doesn't keep it.
    fn peak(&self) -> Result<Option<u64>, Errno>;
    /// Tells when there is something to look at.
    fn alarm(&self) -> Result<Option<Alarm>, Errno>;
    /// Bytes of the host's files that were first read here. When everybody is gone they are all that is left, and they keep the
    /// kernel's half of a removed leaf alive for as long as they stay in memory.
    fn residue(&self) -> Result<u64, Errno>;
    /// Drops the residue from memory: whoever reads those files next reads them from the disk.
    fn release(&self) -> Result<(), Errno>;
    /// Must be asked for kills so often, ns: nobody else looks.
    fn look_every(&self) -> Option<u64> {
        None
    }

    /// Limits what sockets hold. By default they are part of the rest, and so is their limit.
    fn limit_sockets(&self, _bytes: u64) -> Result<(), Errno> {
        Ok(())
    }
    /// Bytes that they hold apart from the rest.
    fn sockets(&self) -> Result<u64, Errno> {
        Ok(0)
    }
    fn forget_sockets_peak(&self) -> Result<(), Errno> {
        Ok(())
    }
    fn sockets_peak(&self) -> Result<u64, Errno> {
        Ok(0)
    }
}

/// Processes and threads.
pub trait Tasks {
    fn kept_by(&self) -> Option<&'static str>;
    fn limit(&self, tasks: u64) -> Result<(), Errno>;
    /// How often a fork or clone was refused.
    fn refused(&self) -> Result<u64, Errno>;
    /// Most at once; `None` where the kernel doesn't keep it.
    fn peak(&self) -> Result<Option<u64>, Errno>;
    /// The limit as one that each program has to be started with, where that is how it is kept.
    fn rlimit(&self) -> Option<u64> {
        None
    }
}

/// CPU time. Everything in nanoseconds.
pub trait Cpu {
    fn kept_by(&self) -> Option<&'static str>;
    /// Thousandths of one CPU that may be used at once.
    fn limit(&self, millis: u64) -> Result<(), Errno>;
    fn used(&self) -> Result<u64, Errno>;
    /// Time for which the limit itself made it wait.
    fn throttled(&self) -> Result<u64, Errno>;
    /// Everybody is dead, and the kernel said how much they had used by then.
    fn ended(&self, _used: u64) {}
}

/// Becomes ready when memory is short in a leaf.
pub struct Alarm {
    pub fd: OwnedFd,
    /// What to poll for.
    pub interest: PollFlags,
    /// It fires before the kernel has killed anything: look again, soon.
    pub is_early: bool,
}

impl Alarm {
    /// Makes it ready to fire again. What it says is not looked at: what counts is in the leaf.
    pub fn clear(&self) {
        let mut said = [0; 512];
        let _ = if self.is_early { read(&self.fd, &mut said[..8]) } else { pread(&self.fd, &mut said, 0) };
    }
}

/// A resource that nothing on this host keeps: no limit can be set on it, so no job can start.
pub struct Unkept;

const UNKEPT: Errno = Errno::OPNOTSUPP;

impl Memory for Unkept {
    fn kept_by(&self) -> Option<&'static str> {
        None
    }

    fn limit(&self, _: u64) -> Result<(), Errno> {
        Err(UNKEPT)
    }

    fn kills(&self) -> Result<u64, Errno> {
        Err(UNKEPT)
    }

    fn forget_peak(&self) -> Result<bool, Errno> {
        Err(UNKEPT)
    }

    fn peak(&self) -> Result<Option<u64>, Errno> {
        Err(UNKEPT)
    }

    fn alarm(&self) -> Result<Option<Alarm>, Errno> {
        Ok(None)
    }

    fn limit_sockets(&self, _: u64) -> Result<(), Errno> {
        Err(UNKEPT)
    }

    fn residue(&self) -> Result<u64, Errno> {
        Ok(0)
    }

    fn release(&self) -> Result<(), Errno> {
        Ok(())
    }
}

impl Tasks for Unkept {
    fn kept_by(&self) -> Option<&'static str> {
        None
    }

    fn limit(&self, _: u64) -> Result<(), Errno> {
        Err(UNKEPT)
    }

    fn refused(&self) -> Result<u64, Errno> {
        Err(UNKEPT)
    }

    fn peak(&self) -> Result<Option<u64>, Errno> {
        Err(UNKEPT)
    }
}

impl Cpu for Unkept {
    fn kept_by(&self) -> Option<&'static str> {
        None
    }

    fn limit(&self, _: u64) -> Result<(), Errno> {
        Err(UNKEPT)
    }

    fn used(&self) -> Result<u64, Errno> {
        Err(UNKEPT)
    }

    fn throttled(&self) -> Result<u64, Errno> {
        Err(UNKEPT)
    }
}
