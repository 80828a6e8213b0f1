//! System calls that no crate of ours offers, one function each.

use forkserver::wire::ExitStatus;
use leave_out::Part;
use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{CStr, c_char, c_int, c_long};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

fn check(result: c_long) -> Result<c_long, Errno> {
    if result < 0 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        return Err(Errno::from_raw_os_error(errno));
    }
    Ok(result)
}

/// `CLONE_CLEAR_SIGHAND` (libc's constant overflows its type).
const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// `CLONE_INTO_CGROUP` (likewise).
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// Who one is after [`clone3`].
pub enum Cloned {
    Parent { child: Pid, pidfd: OwnedFd },
    Child,
}

/// `clone3` without shared memory: a fork with namespaces, a pidfd, and all signal handlers reset; born in `cgroup` (v2), if given.
///
/// Only to be called from a single-threaded process: the child is a full copy and may do what it likes.
pub fn clone3(namespaces: c_int, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, Errno> {
    let mut pidfd: RawFd = -1;
    // SAFETY: all-zero is a valid `clone_args`.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces as u64 | libc::CLONE_PIDFD as u64 | CLEAR_SIGHAND;
    if let Some(cgroup) = cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // SAFETY: `args` outlives the call and its `pidfd` points to a live variable; without CLONE_VM the child has its own copy of everything.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    let Some(child) = Pid::from_raw(pid as i32) else { return Ok(Cloned::Child) };
    // SAFETY: the kernel has just opened it for us and nobody else knows it.
    Ok(Cloned::Parent { child, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// Sets and clears attributes (`MOUNT_ATTR_*`) of a mount, or of the whole tree below it.
pub fn mount_setattr(mount: impl AsFd, set: u64, clear: u64, recursive: bool) -> Result<(), Errno> {
    let set = set & !attributes_left_out();
    let attr = libc::mount_attr { attr_set: set, attr_clr: clear, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    let fd = mount.as_fd().as_raw_fd();
    let empty: *const c_char = c"".as_ptr();
    // SAFETY: the path is a valid C string and `attr` outlives the call.
    check(unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, empty, flags, &raw const attr, size_of::<libc::mount_attr>())
    })
    .map(drop)
}

/// Attributes that a build for tests never sets: none in any other.
pub fn attributes_left_out() -> u64 {
    let parts = [
        (Part::MountReadonly, libc::MOUNT_ATTR_RDONLY),
        (Part::MountNosuid, libc::MOUNT_ATTR_NOSUID),
        (Part::MountNodev, libc::MOUNT_ATTR_NODEV),
        (Part::MountNoexec, libc::MOUNT_ATTR_NOEXEC),
    ];
    parts.iter().filter(|(part, _)| leave_out::is(*part)).fold(0, |all, (_, attribute)| all | attribute)
}

/// Sets attributes of a mount that was never attached, and shows its owners as `namespace` maps them.
pub fn mount_as(mount: impl AsFd, set: u64, namespace: impl AsFd) -> Result<(), Errno> {
    let userns_fd = namespace.as_fd().as_raw_fd() as u64;
    let attr = libc::mount_attr { attr_set: set | libc::MOUNT_ATTR_IDMAP, attr_clr: 0, propagation: 0, userns_fd };
    let fd = mount.as_fd().as_raw_fd();
    let empty: *const c_char = c"".as_ptr();
    // SAFETY: the path is a valid C string and `attr` outlives the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            empty,
            libc::AT_EMPTY_PATH,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Waits for good.
pub fn pause_forever() -> ! {
    loop {
        // SAFETY: always sound.
        unsafe { libc::pause() };
    }
}

/// Closes every descriptor from `first` on.
///
/// The caller must not use (or drop) an `OwnedFd` of that range afterwards; it is called only in fresh children that keep none.
pub fn close_from(first: RawFd) -> Result<(), Errno> {
    // SAFETY: closing is memory-safe; the doc above says who may call it.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Makes `to` refer to what `from` refers to, for good (not closed on exec).
pub fn place(from: impl AsFd, to: RawFd) -> Result<(), Errno> {
    // SAFETY: dup2 is memory-safe; `to` is one of the numbers that fresh children give away by plan.
    check(unsafe { libc::dup2(from.as_fd().as_raw_fd(), to) }.into()).map(drop)
}

/// The Landlock ABI that this kernel speaks; an error where Landlock is not there or not enabled.
pub fn landlock_abi() -> Result<u32, Errno> {
    const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
    let none = std::ptr::null::<u8>();
    // SAFETY: with this flag the kernel takes no attributes and only answers a number.
    check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, LANDLOCK_CREATE_RULESET_VERSION) })
        .map(|abi| abi as u32)
}

/// Installs a seccomp filter on this (single) thread. Needs no-new-privs.
pub fn install_seccomp(filter: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` and the instructions it points to outlive the call; the kernel only reads them.
    check(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) }).map(drop)
}

/// Drops one capability from the bounding set; `EINVAL` when the kernel knows no such number.
pub fn drop_from_bounding_set(capability: u64) -> Result<(), Errno> {
    // SAFETY: this prctl takes plain numbers only.
    check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }.into()).map(drop)
}

/// `execve`; returns only when it failed. Both lists end with a null pointer, which [`Strings`] sees to.
pub fn execve(path: &CStr, argv: &Strings, envp: &Strings) -> Errno {
    // SAFETY: all three are valid, null-terminated and outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.pointers.as_ptr(), envp.pointers.as_ptr()) };
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// `execveat` of an open file itself.
pub fn execute_file(file: impl AsFd, argv: &Strings, envp: &Strings) -> Errno {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: as for `execve`.
    unsafe {
        libc::execveat(
            fd,
            c"".as_ptr(),
            argv.pointers.as_ptr().cast(),
            envp.pointers.as_ptr().cast(),
            libc::AT_EMPTY_PATH,
        )
    };
    Errno::from_raw_os_error(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// Strings as exec wants them.
pub struct Strings {
    pointers: Vec<*const c_char>,
    _owned: Vec<std::ffi::CString>,
}

impl Strings {
    pub fn new(strings: Vec<std::ffi::CString>) -> Strings {
        let mut pointers: Vec<*const c_char> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Strings { pointers, _owned: strings }
    }
}

/// `_NSIG` of x86_64: the kernel's sets of signals are 64 bits.
const LAST_SIGNAL: libc::c_int = 64;
/// The kernel's `struct sigaction`: handler (`SIG_DFL`), flags, restorer, mask.
static DEFAULT_ACTION: [u64; 4] = [0; 4];

/// Every signal to its default, none blocked: what a program expects at its start. Rust's runtime ignores SIGPIPE, and
/// whoever started us may have ignored others; a child inherits it all.
pub fn reset_signals() {
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: setting the default action (all zero) is always sound; SIGKILL and SIGSTOP just answer EINVAL. By number, as the
        // C library keeps the first real-time signals to itself and would leave them ignored.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, &raw const DEFAULT_ACTION, 0, size_of::<u64>()) };
    }
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Ignores what asks a process to end; only SIGKILL still does.
pub fn ignore_stop_signals() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: ignoring a signal is always sound.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Brings `lo` of the current network namespace up.
pub fn raise_loopback() -> Result<(), Errno> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all-zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as c_char;
    request.ifr_name[1] = b'o' as c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    // SAFETY: the request is an initialised `ifreq` that outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into()).map(drop)
}

/// Waits until some child has ended and says which one and how, without reaping it.
pub fn peek_ended_child() -> Result<(Pid, ExitStatus), Errno> {
    // SAFETY: all-zero is a valid `siginfo_t`.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `info` outlives the call.
        let waited = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOWAIT) };
        match check(waited.into()) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => break,
        }
    }
    // SAFETY: waitid succeeded, so the union holds what it describes for SIGCHLD.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let status = if info.si_code == libc::CLD_EXITED { ExitStatus::Code(status) } else { ExitStatus::Signal(status) };
    Ok((Pid::from_raw(pid).ok_or(Errno::CHILD)?, status))
}

/// Reaps a child that has ended; the CPU time (ns) of it and of all that it had waited for.
pub fn reap(child: Pid) -> Result<u64, Errno> {
    // SAFETY: all-zero is a valid `rusage`, and it outlives the call; a null status is allowed.
    let (reaped, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = child.as_raw_nonzero().get();
        (libc::wait4(pid, std::ptr::null_mut(), libc::WNOHANG, &raw mut usage), usage)
    };
    match check(reaped.into())? {
        0 => Err(Errno::AGAIN),
        _ => Ok([usage.ru_utime, usage.ru_stime]
            .iter()
            .map(|time| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1000)
            .sum()),
    }
}

/// SIGKILL to everything in this pid namespace but its PID 1, which is who calls.
pub fn kill_everyone_else() {
    // SAFETY: kill is memory-safe. `ESRCH` (nobody there) is as good as done.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Ends this process at once: no destructors, no exit handlers (they belong to the process it was forked from).
pub fn exit_now(code: c_int) -> ! {
    // SAFETY: always sound.
    unsafe { libc::_exit(code) }
}

/// Asks about a System V shared memory segment by its number.
pub fn stat_segment(id: c_int) -> Result<(), Errno> {
    // SAFETY: all-zero is a valid `shmid_ds`, and it outlives the call, which only writes to it.
    let answer = unsafe {
        let mut about: libc::shmid_ds = std::mem::zeroed();
        libc::shmctl(id, libc::IPC_STAT, &raw mut about)
    };
    check(answer.into()).map(drop)
}
