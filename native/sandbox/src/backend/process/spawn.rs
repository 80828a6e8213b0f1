//! Starts the forkserver's program: posix_spawn from a thread of its own, which then waits for the shim.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use forkserver::wire::{CONTROL_FD, ORDERS_FD};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::sync::{oneshot, watch};

/// A shim that was started, and with it a first forkserver.
pub struct Child {
    /// Our end of the first forkserver's control socket: `SOCK_SEQPACKET`, non-blocking.
    pub control: OwnedFd,
    /// Our end of the shim's own, likewise.
    pub orders: OwnedFd,
    pub shim: Shim,
}

/// The shim as a process. When it ends, its forkserver is killed, and everything below that.
#[derive(Debug, Clone)]
pub struct Shim {
    pidfd: Arc<OwnedFd>,
    ended: watch::Receiver<bool>,
}

impl Shim {
    /// Kills it, if this process still may.
    pub fn kill(&self) {
        // It may have ended already; then there is nothing to kill.
        let _ = pidfd_send_signal(&*self.pidfd, Signal::KILL);
    }

    pub fn has_ended(&self) -> bool {
        *self.ended.borrow() || self.ended.has_changed().is_err()
    }

    /// Waits until it has ended and was reaped.
    pub async fn ended(&self) {
        // The sender is dropped only by a thread that has ended: then the shim has, too.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

/// Starts `program` with one end of two new sockets.
pub async fn spawn(program: &Path) -> io::Result<Child> {
    let path = CString::new(program.as_os_str().as_bytes())?;
    let ((control, their_control), (orders, their_orders)) = (pair()?, pair()?);
    let (report, started) = oneshot::channel();
    let (end, ended) = watch::channel(false);
    std::thread::Builder::new().name("forkserver-parent".to_owned()).spawn(move || {
        let spawned = posix_spawn(&path, &their_control, &their_orders).and_then(|pid| Ok((pid, pidfd_of(pid)?)));
        drop((their_control, their_orders));
        match spawned {
            Ok((pid, pidfd)) => {
                let _ = report.send(Ok(pidfd));
                reap(pid);
            }
            Err(error) => drop(report.send(Err(error))),
        }
        let _ = end.send(true);
    })?;
    let pidfd = started.await.map_err(|_| io::Error::other("the thread that starts the forkserver ended"))??;
    Ok(Child { control, orders, shim: Shim { pidfd: Arc::new(pidfd), ended } })
}

/// Our end, which doesn't block, and the other one, whose number is above those that the program knows it by.
fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    set_blocking(&theirs)?;
    Ok((ours, rustix::io::fcntl_dupfd_cloexec(&theirs, ORDERS_FD + 1)?))
}

fn set_blocking(socket: &OwnedFd) -> io::Result<()> {
    rustix::io::ioctl_fionbio(socket, false).map_err(io::Error::from)
}

/// A descriptor that stands for a child which nobody has waited for yet.
fn pidfd_of(pid: libc::pid_t) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("posix_spawn gave no pid"))?;
    pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)
}

fn reap(pid: libc::pid_t) {
    loop {
        // SAFETY: a null status pointer is allowed; `pid` is our own unreaped child.
        let reaped = unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        if reaped == pid || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Nothing is inherited but the two sockets, stderr, and an empty stdin and stdout; signals are at their defaults.
fn posix_spawn(path: &CString, control: &OwnedFd, orders: &OwnedFd) -> io::Result<libc::pid_t> {
    let actions = FileActions::new(control, orders)?;
    let attributes = Attributes::new()?;
    let argv = [path.as_ptr().cast_mut(), ptr::null_mut()];
    let environment = leave_out::environment();
    let envp: Vec<_> = environment.iter().map(|one| one.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect();
    let mut pid = 0;
    // SAFETY: all pointers are to live, initialised objects; both arrays end with a null pointer.
    check(unsafe {
        libc::posix_spawn(&mut pid, path.as_ptr(), &actions.0, &attributes.0, argv.as_ptr(), envp.as_ptr())
    })?;
    Ok(pid)
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new(control: &OwnedFd, orders: &OwnedFd) -> io::Result<FileActions> {
        // SAFETY: zero bytes are a valid value of this plain C struct, which init then fills.
        let mut actions = FileActions(unsafe { std::mem::zeroed() });
        // SAFETY: the struct lives as long as `actions`; the paths are literals that end with NUL.
        unsafe {
            check(libc::posix_spawn_file_actions_init(&mut actions.0))?;
            check(libc::posix_spawn_file_actions_addopen(&mut actions.0, 0, c"/dev/null".as_ptr(), libc::O_RDONLY, 0))?;
            check(libc::posix_spawn_file_actions_addopen(&mut actions.0, 1, c"/dev/null".as_ptr(), libc::O_WRONLY, 0))?;
            check(libc::posix_spawn_file_actions_adddup2(&mut actions.0, control.as_raw_fd(), CONTROL_FD))?;
            check(libc::posix_spawn_file_actions_adddup2(&mut actions.0, orders.as_raw_fd(), ORDERS_FD))?;
            check(libc::posix_spawn_file_actions_addclosefrom_np(&mut actions.0, ORDERS_FD + 1))?;
        }
        Ok(actions)
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        // SAFETY: zero bytes are a valid value of these plain C structs, which the calls then fill.
        let (mut attributes, mut all, mut none) =
            unsafe { (Attributes(std::mem::zeroed()), std::mem::zeroed(), std::mem::zeroed()) };
        // SAFETY: the pointers are to live objects.
        unsafe {
            check(libc::posix_spawnattr_init(&mut attributes.0))?;
            libc::sigfillset(&mut all);
            libc::sigemptyset(&mut none);
            check(libc::posix_spawnattr_setsigdefault(&mut attributes.0, &all))?;
            check(libc::posix_spawnattr_setsigmask(&mut attributes.0, &none))?;
            let flags = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
            check(libc::posix_spawnattr_setflags(&mut attributes.0, flags as libc::c_short))?;
        }
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

fn check(errno: libc::c_int) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}
