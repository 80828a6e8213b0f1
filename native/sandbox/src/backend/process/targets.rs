//! What of the host a trial aims at from inside a sandbox: each is there, and anybody here could reach it. No privilege is needed for any.

use std::net::UdpSocket;

use forkserver::wire::Attempts;

use crate::policy::LimitSet;

/// Inside, processes are counted from 1: a number below could be one of the sandbox's own.
const FIRST_OF_HOST: i32 = 64;
const SEGMENT_BYTES: usize = 4096;

/// Kept until the trial is over; what the host doesn't have is not aimed at.
pub struct Targets {
    pub aims: Attempts,
    listener: Option<UdpSocket>,
    _segment: Option<Segment>,
}

impl Targets {
    /// `stage_dir`: a directory that no sandbox shows.
    pub fn set_up(stage_dir: &str, limits: &LimitSet) -> Targets {
        let listener = listen();
        let segment = Segment::make();
        let aims = Attempts {
            process: process_of_host(),
            directory: Some(stage_dir.to_owned()),
            udp_port: listener.as_ref().and_then(|socket| Some(socket.local_addr().ok()?.port())),
            segment: segment.as_ref().map(|segment| segment.0),
            disk_bytes: limits.disk_bytes,
            inodes: limits.inodes,
            open_files: limits.open_files,
            processes: limits.processes,
        };
        Targets { aims, listener, _segment: segment }
    }

    /// Whether anything arrived at the listener.
    pub fn was_reached(&self) -> bool {
        self.listener.as_ref().is_some_and(|socket| socket.recv(&mut [0; 1]).is_ok())
    }
}

/// This process, or the youngest of its threads: it can be signalled by its number, too.
fn process_of_host() -> Option<i32> {
    let own = std::process::id() as i32;
    let threads = || {
        let names = std::fs::read_dir("/proc/self/task").ok()?.flatten();
        names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).max()
    };
    Some(own).filter(|pid| *pid >= FIRST_OF_HOST).or_else(threads).filter(|pid| *pid >= FIRST_OF_HOST)
}

fn listen() -> Option<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// A System V shared memory segment; removed when dropped.
struct Segment(i32);

impl Segment {
    fn make() -> Option<Segment> {
        // SAFETY: plain numbers. Nothing of it is mapped.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, SEGMENT_BYTES, libc::IPC_CREAT | 0o600) };
        (id >= 0).then_some(Segment(id))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: removing takes no third argument.
        unsafe { libc::shmctl(self.0, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(segment: i32) -> bool {
        // SAFETY: all-zero is a valid `shmid_ds` and outlives the call, which only writes to it.
        unsafe {
            let mut about: libc::shmid_ds = std::mem::zeroed();
            libc::shmctl(segment, libc::IPC_STAT, &raw mut about) == 0
        }
    }

    #[test]
    fn everything_aimed_at_is_there() {
        let limits = crate::policy::defaults::policy().limits;
        let targets = Targets::set_up("/", &limits);
        let segment = targets.aims.segment.expect("a segment");
        // SAFETY: no signal is sent.
        assert_eq!(unsafe { libc::kill(targets.aims.process.expect("a process"), 0) }, 0);
        assert!(is_there(segment));
        assert!(!targets.was_reached());
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.send_to(b"x", ("127.0.0.1", targets.aims.udp_port.expect("a port"))).expect("sent");
        assert!(targets.was_reached());
        drop(targets);
        assert!(!is_there(segment));
    }
}
