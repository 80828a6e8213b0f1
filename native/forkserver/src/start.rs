//! From an ordinary program to the forkserver: a sealed copy, no groups, own pid and mount namespaces, few capabilities.

use crate::capabilities;
use crate::ids;
use crate::rlimits::CORE;
use crate::step::{At, Failure, Step};
use crate::sys::{self, Strings};
use forkserver::wire::CONTROL_FD;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fchmod, fcntl_add_seals, fcntl_get_seals, memfd_create, open};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::{SocketType, sockopt::socket_type};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, getppid, pidfd_open,
    set_dumpable_behavior, set_parent_process_death_signal, setrlimit, umask, waitpid,
};
use rustix::thread::{UnshareFlags, set_thread_groups, unshare_unsafe};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::Duration;

/// What a copy that no sandbox can alter carries.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);
/// How long the forkserver may clean up after its worker died before the shim gives up on it.
const ORPHAN_GRACE: Duration = Duration::from_millis(1000);

/// Takes the control socket that was inherited on [`CONTROL_FD`].
pub fn control_socket() -> Result<OwnedFd, Failure> {
    if rustix::fs::fstat(rustix::stdio::stdin()).is_err() {
        // Without 0..2 a later socket would be mistaken for a standard stream.
        return Err(Failure::new(Step::ControlSocket, libc::EBADF));
    }
    // SAFETY: the contract with our parent: descriptor 3 is ours. If it is not open the next call says so.
    let socket = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    match socket_type(&socket) {
        Ok(SocketType::SEQPACKET) => Ok(socket),
        Ok(_) => Err(Failure::new(Step::ControlSocket, libc::EPROTO)),
        Err(errno) => {
            // It was never open: dropping it would be closing a descriptor that isn't ours.
            std::mem::forget(socket);
            Err(Failure::new(Step::ControlSocket, errno.raw_os_error()))
        }
    }
}

/// Runs on from a sealed copy in memory, so that nothing that ever reaches `/proc/PID/exe` of this program can alter the host's file.
pub fn run_from_sealed_copy() -> Result<(), Failure> {
    let own = open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).at(Step::SealedCopy)?;
    if fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(SEALS)) {
        // Once it runs nobody is to execute it again: a sandbox that names its init's `/proc/self/exe` as its program gets EACCES,
        // even where it has our own id.
        return fchmod(&own, Mode::empty()).at(Step::SealedCopy);
    }
    let copy = executable_memfd().at(Step::SealedCopy)?;
    let mut writer = std::fs::File::from(copy);
    std::io::copy(&mut std::fs::File::from(own), &mut writer).at(Step::SealedCopy)?;
    let copy = OwnedFd::from(writer);
    fchmod(&copy, Mode::RUSR | Mode::XUSR).at(Step::SealedCopy)?;
    fcntl_add_seals(&copy, SEALS).at(Step::SealedCopy)?;
    let name = Strings::new(vec![c"bullpen-forkserver".to_owned()]);
    Err(Failure::new(Step::SealedCopy, sys::execute_file(&copy, &name, &Strings::new(Vec::new())).raw_os_error()))
}

fn executable_memfd() -> Result<OwnedFd, Errno> {
    const MFD_EXEC: MemfdFlags = MemfdFlags::from_bits_retain(0x10);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match memfd_create("bullpen-forkserver", flags | MFD_EXEC) {
        // Kernels before 6.3 don't know the flag: there every memfd is executable.
        Err(Errno::INVAL) => memfd_create("bullpen-forkserver", flags),
        result => result,
    }
}

/// Settles what all descendants inherit.
pub fn settle(control: &OwnedFd) -> Result<(), Failure> {
    fcntl_setfd(control, FdFlags::CLOEXEC).at(Step::ControlSocket)?;
    sys::reset_signals();
    umask(Mode::from_raw_mode(0o022));
    // A dropped slot uid with root's group 0 could read the host's 0640 root:root files.
    if ids::may_drop_groups()? {
        set_thread_groups(&[]).at(Step::ClearGroups)?;
    }
    let none = Rlimit { current: Some(CORE), maximum: Some(CORE) };
    setrlimit(Resource::Core, none).at(Step::OwnCapabilities)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::OwnCapabilities)
}

/// Forks: the child returns as PID 1 of a new pid namespace, the parent stays as a shim and never returns.
pub fn enter_pid_namespace(control: OwnedFd) -> Result<OwnedFd, Failure> {
    let worker = pidfd_open(parent()?, PidfdFlags::empty()).at(Step::PidNamespace)?;
    // SAFETY: a new pid namespace concerns children only; no descriptors or memory are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.at(Step::PidNamespace)?;
    match sys::clone3(0, None).at(Step::PidNamespace)? {
        sys::Cloned::Child => {
            drop(worker);
            // The signal is the parent's death, and the parent is another pid namespace: PID 1 or not, it kills.
            set_parent_process_death_signal(Some(Signal::KILL)).at(Step::PidNamespace)?;
            Ok(control)
        }
        sys::Cloned::Parent { child, pidfd } => {
            // Its end of the socket must close when the forkserver dies.
            drop(control);
            // Its life is the worker's: a signal for the whole group (Ctrl-C, a service manager's stop) starts the worker's drain,
            // and must not end what is being drained.
            sys::ignore_stop_signals();
            sys::exit_now(stand_by(&worker, child, &pidfd))
        }
    }
}

fn parent() -> Result<Pid, Failure> {
    getppid().ok_or(Failure::new(Step::PidNamespace, libc::ESRCH))
}

/// The shim: waits for the forkserver and passes its status on. When the worker dies, the forkserver sees its socket close and
/// cleans up; after [`ORPHAN_GRACE`] the shim ends, and with it (by the death signal) the forkserver and everything below.
///
/// The worker is watched by pidfd and not by a death signal of our own: that signal is tied to the *thread* that spawned us, and
/// threads of a pool come and go.
fn stand_by(worker: &OwnedFd, child: Pid, pidfd: &OwnedFd) -> i32 {
    let mut both = [PollFd::new(pidfd, PollFlags::IN), PollFd::new(worker, PollFlags::IN)];
    while matches!(poll(&mut both, None), Err(Errno::INTR)) {}
    if both[0].revents().is_empty() {
        let grace = Timespec::try_from(ORPHAN_GRACE).ok();
        let mut one = [PollFd::new(pidfd, PollFlags::IN)];
        if !matches!(poll(&mut one, grace.as_ref()), Ok(1)) {
            return 1;
        }
    }
    match waitpid(Some(child), WaitOptions::empty()) {
        Ok(Some((_, status))) => {
            status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(1)
        }
        _ => 1,
    }
}

/// Own mount namespace that nothing propagates into or out of, with a `/proc` of the own pid namespace.
pub fn own_mounts() -> Result<(), Failure> {
    // SAFETY: mounts only; no descriptors or memory are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.at(Step::OwnMounts)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::OwnMounts)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(c"proc", c"/proc", c"proc", flags, None).at(Step::OwnProc)
}

/// Keeps only the capabilities that making sandboxes needs, and checks that it is alone: forks copy one thread.
pub fn shed() -> Result<(), Failure> {
    capabilities::keep_for_forkserver(ids::is_user_mapped_to_root()?).at(Step::OwnCapabilities)?;
    let tasks = std::fs::read_dir("/proc/self/task").at(Step::SingleThread)?.count();
    if tasks != 1 {
        return Err(Failure::new(Step::SingleThread, libc::EINVAL));
    }
    Ok(())
}
