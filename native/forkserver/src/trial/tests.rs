//! Each attempt succeeds where nothing stands against it: as root, in a child of this process. What refuses it in a sandbox is the
//! sandbox.

use super::*;
use std::io::Read;
use std::net::UdpSocket;

/// What an attempt answers in a process of its own, which may then do what it likes to itself.
fn alone(attempt: impl FnOnce() -> Result<(), Errno>) -> String {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    match sys::clone3(0, None).expect("cloned") {
        sys::Cloned::Child => {
            let _ = write(&writer, errno(attempt()).as_bytes());
            sys::exit_now(0)
        }
        sys::Cloned::Parent { child, .. } => {
            drop(writer);
            let mut answer = String::new();
            reader.read_to_string(&mut answer).expect("read");
            waitpid(Some(child), WaitOptions::empty()).expect("reaped");
            answer
        }
    }
}

const WORKED: &str = "0";

#[test]
fn what_root_may_do_works() {
    assert_eq!(alone(|| chroot("/")), WORKED);
    assert_eq!(alone(make_user_namespace), WORKED);
    assert_eq!(alone(become_root), WORKED);
    assert_eq!(alone(watch_files), WORKED);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    assert_eq!(alone(|| make_directory(path)), WORKED);
    assert_eq!(alone(|| landlock::make_device(path)), WORKED);
    assert_eq!(directory.path().read_dir().expect("listed").count(), 0);
}

#[test]
fn what_is_the_hosts_is_found() {
    assert_eq!(alone(|| test_kill_process(Pid::from_raw(std::process::id() as i32).expect("a pid"))), WORKED);
    assert_eq!(alone(|| stat("/proc/self").map(drop)), WORKED);
    let listener = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    assert_eq!(alone(|| send_to_host(port)), WORKED);
    let mut heard = [0; 8];
    assert_eq!(listener.recv(&mut heard).expect("received"), 5);
    // SAFETY: plain numbers; it is removed below.
    let segment = unsafe { libc::shmget(libc::IPC_PRIVATE, PAGE, libc::IPC_CREAT | 0o600) };
    assert!(segment >= 0);
    let found = alone(|| look_at_segment(segment));
    // SAFETY: removing takes no third argument.
    unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) };
    assert_eq!(found, WORKED);
    assert_eq!(alone(|| look_at_segment(segment)), libc::EINVAL.to_string());
}

#[test]
fn without_a_limit_nothing_ends_before_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    assert_eq!(alone(|| duplicate_beyond(16)), WORKED);
    assert_eq!(alone(|| write_beyond(path, 64 * 1024)), WORKED);
    assert_eq!(alone(|| create_beyond(path, 16)), WORKED);
    assert_eq!(directory.path().read_dir().expect("listed").count(), 24);
    assert_eq!(alone(|| fork_beyond(8)), WORKED);
}

#[test]
fn a_filter_without_a_capability_needs_no_new_privileges() {
    let without_capabilities = |no_new_privileges: bool| {
        alone(|| {
            crate::capabilities::drop_all().map_err(|_| Errno::INVAL)?;
            if no_new_privileges {
                rustix::thread::set_no_new_privs(true)?;
            }
            sys::install_seccomp(&ALLOW_ALL)
        })
    };
    assert_eq!(without_capabilities(true), WORKED);
    assert_eq!(without_capabilities(false), libc::EACCES.to_string());
}

#[test]
fn a_path_beyond_the_own_root_is_named() {
    assert_eq!(outermost("4:memory:/\n0::/\n"), "/");
    assert_eq!(outermost("4:memory:/\n2:pids:/bullpen/w/1\n0::/\n"), "/bullpen/w/1");
    assert_eq!(outermost("0::/../x\n"), "/../x");
}
