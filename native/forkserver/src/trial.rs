//! What a program could try against its confinement, each attempt a small function that answers what it met.
//!
//! They run in the payload, after everything that a program is confined by and in that program's place. Whether an answer is the one
//! that a layer promises is judged by whoever asked; nothing in here knows what it should be.

use crate::landlock;
use crate::sys;
use forkserver::wire::{Attempts, Trial};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, stat};
use rustix::io::{Errno, fcntl_dupfd_cloexec, write};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};
use rustix::process::{Pid, WaitOptions, chroot, test_kill_process, waitpid};
use rustix::system::uname;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How many attempts beyond a limit show that there is none.
const BEYOND: u64 = 8;
const PAGE: usize = 4096;
/// Where all of the box is the job's own.
const WORK: &str = "/work";
/// Part of the box, too: without Landlock anything can be made there.
const TMP: &str = "/tmp";
/// One instruction, `SECCOMP_RET_ALLOW`.
const ALLOW_ALL: [libc::sock_filter; 1] = [libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 }];

/// Does it, and ends this process.
pub fn run(trial: &Trial) -> ! {
    match trial {
        Trial::Attempts(aims) => attempt_all(aims),
        Trial::Inotify => report("inotify_init1", &errno(watch_files())),
        Trial::Memory { bytes, ms } => keep_memory(*bytes, *ms),
        Trial::Spin { ms } => spin(*ms),
        Trial::Sleep { ms } => sleep_in_two(*ms),
    }
    sys::exit_now(0)
}

/// Those that use something up come last.
fn attempt_all(aims: &Attempts) {
    report("chroot", &errno(chroot("/")));
    report("unshare", &errno(make_user_namespace()));
    report("setuid", &errno(become_root()));
    report("seccomp", &errno(sys::install_seccomp(&ALLOW_ALL)));
    if let Some(pid) = aims.process.and_then(Pid::from_raw) {
        report("kill", &errno(test_kill_process(pid)));
    }
    if let Some(directory) = &aims.directory {
        report("stat", &errno(stat(directory.as_str()).map(drop)));
    }
    if let Some(port) = aims.udp_port {
        report("sendto", &errno(send_to_host(port)));
    }
    if let Some(id) = aims.segment {
        report("shmctl", &errno(look_at_segment(id)));
    }
    report("uname", &uname().nodename().to_string_lossy());
    report(
        "cgroup",
        &std::fs::read_to_string("/proc/self/cgroup").map_or_else(|_| "unread".to_owned(), |it| outermost(&it)),
    );
    report("mkdir", &errno(make_directory("/")));
    report("mknod", &errno(landlock::make_device(TMP)));
    report("dup", &errno(duplicate_beyond(aims.open_files)));
    report("write", &errno(write_beyond(WORK, aims.disk_bytes)));
    report("create", &errno(create_beyond(WORK, aims.inodes)));
    report("fork", &errno(fork_beyond(aims.processes)));
}

/// On stdout, as a line.
fn report(name: &str, answer: &str) {
    // Whoever asked misses what could not be written.
    let _ = write(rustix::stdio::stdout(), format!("{name} {answer}\n").as_bytes());
}

fn errno(result: Result<(), Errno>) -> String {
    result.map_or_else(|errno| errno.raw_os_error(), |()| 0).to_string()
}

fn watch_files() -> Result<(), Errno> {
    rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).map(drop)
}

fn make_user_namespace() -> Result<(), Errno> {
    // SAFETY: no descriptors or memory are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }
}

fn become_root() -> Result<(), Errno> {
    let root = rustix::process::Uid::ROOT;
    rustix::thread::set_thread_uid(root)
}

fn send_to_host(port: u16) -> Result<(), Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(ipproto::UDP))?;
    sendto(&socket, b"trial", SendFlags::empty(), &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).map(drop)
}

fn look_at_segment(id: i32) -> Result<(), Errno> {
    sys::stat_segment(id)
}

/// The first path in `/proc/self/cgroup` that leads beyond the own root; `/` if none does.
fn outermost(cgroup: &str) -> String {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.into_iter().find(|path| *path != "/").unwrap_or("/").to_owned()
}

fn make_directory(parent: &str) -> Result<(), Errno> {
    let path = format!("{}/.bullpen-trial", parent.trim_end_matches('/'));
    mkdirat(CWD, &path, Mode::RWXU)?;
    rustix::fs::rmdir(&path)
}

fn duplicate_beyond(limit: u64) -> Result<(), Errno> {
    let more = 0..limit + BEYOND;
    more.map(|_| fcntl_dupfd_cloexec(rustix::stdio::stdout(), 0)).collect::<Result<Vec<OwnedFd>, _>>().map(drop)
}

/// Its file is gone afterwards: what comes next finds the room as it was.
fn write_beyond(dir: &str, bytes: u64) -> Result<(), Errno> {
    let path = format!("{dir}/.bullpen-trial");
    let file = openat(CWD, &path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC, Mode::RUSR)?;
    rustix::fs::unlink(&path)?;
    let pages = bytes.div_ceil(PAGE as u64) + 1;
    (0..pages).try_for_each(|_| write(&file, &[1; PAGE]).map(drop))
}

/// Their files stay.
fn create_beyond(dir: &str, inodes: u64) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    (0..inodes + BEYOND).try_for_each(|n| openat(CWD, format!("{dir}/.bullpen-{n}"), flags, Mode::RUSR).map(drop))
}

/// None of the children is left afterwards.
fn fork_beyond(processes: u64) -> Result<(), Errno> {
    let mut children = Vec::new();
    let outcome = (0..processes + BEYOND).try_for_each(|_| {
        children.push(fork_one_that_waits()?);
        Ok(())
    });
    for child in children {
        let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        let _ = waitpid(Some(child), WaitOptions::empty());
    }
    outcome
}

fn fork_one_that_waits() -> Result<Pid, Errno> {
    match sys::clone3(0, None)? {
        sys::Cloned::Child => sys::pause_forever(),
        // The descriptor is not needed, and is one of few.
        sys::Cloned::Parent { child, .. } => Ok(child),
    }
}

fn keep_memory(bytes: u64, ms: u64) {
    let mut kept = Vec::new();
    for _ in 0..bytes / (1 << 20) {
        kept.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
    std::thread::sleep(Duration::from_millis(ms));
    drop(std::hint::black_box(kept));
}

fn spin(ms: u64) {
    let end = crate::clock::own_cpu_time().saturating_add(ms.saturating_mul(1_000_000));
    while crate::clock::own_cpu_time() < end {
        std::hint::spin_loop();
    }
}

fn sleep_in_two(ms: u64) {
    if matches!(sys::clone3(0, None), Ok(sys::Cloned::Child)) {
        sys::ignore_stop_signals();
    }
    std::thread::sleep(Duration::from_millis(ms));
}

#[cfg(test)]
mod tests;
