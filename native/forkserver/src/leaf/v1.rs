//! cgroup v1: a hierarchy for each controller, or for a few together. A process enters by itself, hierarchy by hierarchy.

use super::accounts::{Alarm, Cpu, Memory};
use super::directory::Directory;
use super::{CPU_PERIOD_US, quota_us, whole_pages};
use leave_out::Part;
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::os::fd::AsRawFd;
use std::rc::Rc;

/// The value of a layer that v1 keeps.
pub const V1: &str = "v1";

pub struct V1Memory(pub Rc<Directory>);

impl Memory for V1Memory {
    fn kept_by(&self) -> Option<&'static str> {
        Some(V1)
    }

    /// Memory first, memory and swap together second: the sum may never be the smaller one, and both come down from unlimited.
    fn limit(&self, bytes: u64) -> Result<(), Errno> {
        let bytes = whole_pages(bytes).to_string();
        self.0.set("memory.limit_in_bytes", &bytes)?;
        if !leave_out::is(Part::SwapLimit) {
            self.0.set("memory.memsw.limit_in_bytes", &bytes)?;
        }
        self.0.set("memory.swappiness", "0")
    }

    fn kills(&self) -> Result<u64, Errno> {
        if leave_out::is(Part::TrapOomByPeak) {
            let room = self.0.number("memory.limit_in_bytes")? - self.0.number("memory.max_usage_in_bytes")?;
            return Ok(u64::from(room < 1 << 20));
        }
        self.0.field("memory.oom_control", "oom_kill")
    }

    fn forget_peak(&self) -> Result<bool, Errno> {
        self.0.write("memory.max_usage_in_bytes", "0")?;
        self.0.write("memory.memsw.max_usage_in_bytes", "0")?;
        Ok(true)
    }

    fn peak(&self) -> Result<Option<u64>, Errno> {
        self.0.number("memory.max_usage_in_bytes").map(Some)
    }

    /// An eventfd that fires when the kernel is about to kill.
    fn alarm(&self) -> Result<Option<Alarm>, Errno> {
        let control = self.0.file("memory.oom_control", OFlags::RDONLY)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        self.0.write("cgroup.event_control", &format!("{} {}", event.as_raw_fd(), control.as_raw_fd()))?;
        Ok(Some(Alarm { fd: event, interest: PollFlags::IN, is_early: true }))
    }

    fn residue(&self) -> Result<u64, Errno> {
        self.0.sum("memory.stat", &["active_file", "inactive_file"])
    }

    fn release(&self) -> Result<(), Errno> {
        self.0.write("memory.force_empty", "0")
    }

    fn limit_sockets(&self, bytes: u64) -> Result<(), Errno> {
        self.0.set("memory.kmem.tcp.limit_in_bytes", &whole_pages(bytes).to_string())
    }

    fn sockets(&self) -> Result<u64, Errno> {
        self.0.number("memory.kmem.tcp.usage_in_bytes")
    }

    fn forget_sockets_peak(&self) -> Result<(), Errno> {
        self.0.write("memory.kmem.tcp.max_usage_in_bytes", "0")
    }

    fn sockets_peak(&self) -> Result<u64, Errno> {
        self.0.number("memory.kmem.tcp.max_usage_in_bytes")
    }
}

/// Two controllers, often of one hierarchy.
pub struct V1Cpu {
    pub limit: Rc<Directory>,
    pub usage: Rc<Directory>,
}

impl Cpu for V1Cpu {
    fn kept_by(&self) -> Option<&'static str> {
        Some(V1)
    }

    fn limit(&self, millis: u64) -> Result<(), Errno> {
        self.limit.set("cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
        self.limit.set("cpu.cfs_quota_us", &quota_us(millis).to_string())
    }

    fn used(&self) -> Result<u64, Errno> {
        self.usage.number("cpuacct.usage")
    }

    fn throttled(&self) -> Result<u64, Errno> {
        self.limit.field("cpu.stat", "throttled_time")
    }
}
