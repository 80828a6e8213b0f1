//! Memory that the sockets of a private network hold, as far as a leaf's memory limit doesn't see it: bounded apart.
//!
//! On v1, what TCP and UDP keep in their queues is charged to a counter of its own (`memory.kmem.tcp`), and only once that has a limit.
//! UDP then drops what is too much. TCP goes beyond: whatever the limit, each connection may send once (some 70 KiB were measured). (On
//! v2 it is memory like any other.) And what a socket holds back before it sends (`MSG_MORE`, up to 64 KiB) is charged nowhere. So two
//! things more are looked at while a program runs: the counter, and how many sockets there are.

use crate::clock::boottime;
use crate::leaf::Leaf;
use crate::step::{At, Failure, Step};
use forkserver::kernel;
use rustix::io::Errno;
use rustix::process::Pid;

/// Socket memory comes on top of the job's memory: a quarter of that, and no more than [`MOST`], which is ample on a loopback.
const SHARE: u64 = 4;
const MOST: u64 = 64 << 20;
/// What a socket may hold without being charged for it: one datagram.
const UNCHARGED: u64 = 64 << 10;
/// How soon to look again, ns: little can be copied in that time.
const LOOK: u64 = 10_000_000;

/// The bound on one sandbox's sockets.
pub struct Sockets {
    bytes: u64,
    next_look: u64,
}

impl Sockets {
    /// Sets it, before the job can make a socket: those made earlier are never charged.
    pub fn limit(leaf: &Leaf, memory_bytes: u64) -> Result<Sockets, Failure> {
        let bytes = (memory_bytes / SHARE).min(MOST);
        // Refusals begin at half of it; in the other half is what TCP takes all the same.
        leaf.memory.limit_sockets(bytes / 2).at(Step::SocketMemory)?;
        Ok(Sockets { bytes, next_look: 0 })
    }

    /// A program begins; what was before is not its doing.
    pub fn begin(&self, leaf: &Leaf) -> Result<(), Failure> {
        leaf.memory.forget_sockets_peak().at(Step::Evidence)
    }

    pub fn next_look(&self) -> u64 {
        self.next_look
    }

    /// Is there more than allowed now? Looks only when it is time to. `init` is a process of the sandbox.
    pub fn look(&mut self, leaf: &Leaf, init: Pid) -> Result<bool, Failure> {
        let now = boottime();
        if now < self.next_look {
            return Ok(false);
        }
        self.next_look = now + LOOK;
        let charged = leaf.memory.sockets().at(Step::Evidence)?;
        Ok(charged > self.bytes || count(init).at(Step::Evidence)? > self.bytes / UNCHARGED)
    }

    /// Was there ever more than allowed since the program began?
    pub fn peaked(&self, leaf: &Leaf) -> Result<bool, Failure> {
        Ok(leaf.memory.sockets_peak().at(Step::Evidence)? > self.bytes)
    }
}

/// Sockets in the network namespace of a process; none when it is gone.
fn count(process: Pid) -> Result<u64, Errno> {
    match kernel::read(&format!("/proc/{}/net/sockstat", process.as_raw_nonzero())) {
        Ok(text) => kernel::sockets_used(&text).ok_or(Errno::BADMSG),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::SRCH | Errno::INVAL) => Ok(0),
            errno => Err(errno.unwrap_or(Errno::IO)),
        },
    }
}
