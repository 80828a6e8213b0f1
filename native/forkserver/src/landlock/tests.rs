//! Landlock by itself: root, with every capability, in a root file system that nothing else guards.

use super::*;
use crate::sys::landlock_abi;
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, chdir, chroot, test_kill_process};
use rustix::thread::{UnshareFlags, set_no_new_privs, unshare_unsafe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

/// Runs `act` in a thread, once free and once restricted: threads are confined one by one.
fn before_and_after<R: Send + 'static>(act: impl Fn(&str) -> R + Send + 'static) -> (R, R) {
    let place = tempfile::tempdir().expect("directory");
    let root = place.path().to_owned();
    let confined = std::thread::spawn(move || {
        // SAFETY: mounts and working directory only, of this thread only.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }.expect("own mounts");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).expect("private");
        mount(c"t", &root, c"tmpfs", MountFlags::empty(), None).expect("a root");
        chroot(&root).and_then(|()| chdir("/")).expect("in it");
        for directory in ["/work", "/tmp", "/dev", "/dev/shm", "/etc"] {
            std::fs::create_dir(directory).expect(directory);
        }
        for (name, minor) in [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)] {
            make_device(&format!("/dev/{name}"), minor).expect(name);
        }
        let free = act("free");
        set_no_new_privs(true).expect("no new privileges");
        restrict(true, &[]).expect("restricted");
        (free, act("kept"))
    });
    confined.join().expect("a thread")
}

fn make_device(path: &str, minor: u32) -> Result<(), Errno> {
    mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, minor))
}

fn make_file(path: &str) -> Result<(), Errno> {
    open(path, OFlags::CREATE | OFlags::WRONLY, Mode::from_raw_mode(0o644)).map(drop)
}

#[test]
fn alone_it_keeps_a_job_to_what_it_may_write() {
    let (free, kept) = before_and_after(|name| {
        ["/work", "/tmp", "/dev/shm", "/etc", "/dev", ""].map(|place| make_file(&format!("{place}/{name}")))
    });
    assert_eq!(free, [Ok(()); 6]);
    assert_eq!(kept, [Ok(()), Ok(()), Ok(()), Err(Errno::ACCESS), Err(Errno::ACCESS), Err(Errno::ACCESS)]);
}

#[test]
fn alone_it_lets_nobody_make_or_control_a_device() {
    let control = || open("/dev/null", OFlags::RDWR, Mode::empty()).and_then(rustix::termios::tcgetattr).map(drop);
    let (free, kept) = before_and_after(move |name| (make_device(&format!("/work/{name}"), 3), control()));
    assert_eq!(free, (Ok(()), Err(Errno::NOTTY)));
    let refused = if landlock_abi().is_ok_and(|abi| abi >= 5) { Errno::ACCESS } else { Errno::NOTTY };
    assert_eq!(kept, (Err(Errno::ACCESS), Err(refused)));
}

#[test]
fn alone_it_reaches_nobody_outside() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("listener");
    let address = tcp.local_addr().expect("address");
    let name = format!("bullpen-landlock-{}", std::process::id());
    let hidden = std::os::unix::net::SocketAddr::from_abstract_name(name).expect("name");
    let _listener = UnixListener::bind_addr(&hidden).expect("listener");
    let mut other = Command::new("sleep").arg("60").spawn().expect("sleep");
    let pid = Pid::from_raw(other.id() as i32).expect("a pid");
    let (free, kept) = before_and_after(move |_| [connect(address), hail(&hidden), test_kill_process(pid)]);
    other.kill().and_then(|()| other.wait()).expect("ended");
    assert_eq!(free, [Ok(()); 3]);
    let since = |version: u32, refusal: Errno| {
        if landlock_abi().is_ok_and(|abi| abi >= version) { Err(refusal) } else { Ok(()) }
    };
    assert_eq!(kept, [since(4, Errno::ACCESS), since(6, Errno::PERM), since(6, Errno::PERM)]);
}

fn connect(address: SocketAddr) -> Result<(), Errno> {
    TcpStream::connect(address).map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn hail(address: &std::os::unix::net::SocketAddr) -> Result<(), Errno> {
    UnixStream::connect_addr(address).map(drop).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn restrict_making_devices() -> Result<RulesetStatus, Refusal> {
    let ruleset = Ruleset::default().handle_access(AccessFs::MakeBlock)?.create()?;
    Ok(ruleset.set_compatibility(CompatLevel::HardRequirement).restrict_self()?.ruleset)
}

#[test]
fn a_ruleset_is_noticed_by_use_and_so_is_its_absence() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("UTF-8").to_owned();
    assert_eq!(prove(&path).map_err(|failure| failure.errno), Err(libc::EPROTO), "without a ruleset");
    assert_eq!(dir.path().read_dir().expect("listed").count(), 0);
    // A ruleset holds the thread that put it on.
    let restricted = std::thread::spawn(move || {
        restrict_making_devices().expect("restricted");
        prove(&path)
    });
    assert_eq!(restricted.join().expect("joined"), Ok(()));
}
