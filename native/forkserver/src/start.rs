//! From an ordinary program to the forkserver: a sealed copy, no groups, few capabilities, own mount namespace.

use crate::capabilities;
use crate::ids;
use crate::rlimits::CORE;
use crate::step::{At, Failure, Step};
use crate::sys::{self, Strings};
use forkserver::wire::{CONTROL_FD, ORDERS_FD};
use leave_out::Part;
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fchmod, fcntl_add_seals, fcntl_get_seals, memfd_create, open};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::{SocketType, sockopt::socket_type};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask};
use rustix::thread::{UnshareFlags, set_thread_groups, unshare_unsafe};
use std::os::fd::{FromRawFd, OwnedFd};

/// What a copy that no sandbox can alter carries.
const SEALS: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);
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

/// Takes the shim's own socket, inherited on [`ORDERS_FD`]; `None` when there is none: then the shim ends with the forkserver.
pub fn orders_socket() -> Option<OwnedFd> {
    // SAFETY: the contract with our parent: descriptor 4 is ours, or isn't open, which the next call says.
    let socket = unsafe { OwnedFd::from_raw_fd(ORDERS_FD) };
    match socket_type(&socket) {
        Ok(SocketType::SEQPACKET) => Some(socket),
        Ok(_) => None,
        Err(_) => {
            std::mem::forget(socket);
            None
        }
    }
}

/// Runs on from a sealed copy in memory, so that nothing that ever reaches `/proc/PID/exe` of this program can alter the host's file.
pub fn run_from_sealed_copy() -> Result<(), Failure> {
    if leave_out::is(Part::SealedCopy) {
        return Ok(());
    }
    let own = open("/proc/self/exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).at(Step::SealedCopy)?;
    if fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(SEALS)) {
        // Once it runs nobody is to execute it again: a sandbox that names its init's `/proc/self/exe` as its program gets EACCES,
        // even where it has our own id.
        let closed = if leave_out::is(Part::SealedCopyMode) { Mode::RUSR | Mode::XUSR } else { Mode::empty() };
        return fchmod(&own, closed).at(Step::SealedCopy);
    }
    let copy = executable_memfd().at(Step::SealedCopy)?;
    let mut writer = std::fs::File::from(copy);
    std::io::copy(&mut std::fs::File::from(own), &mut writer).at(Step::SealedCopy)?;
    let copy = OwnedFd::from(writer);
    fchmod(&copy, Mode::RUSR | Mode::XUSR).at(Step::SealedCopy)?;
    fcntl_add_seals(&copy, SEALS).at(Step::SealedCopy)?;
    let name = Strings::new(vec![c"bullpen-forkserver".to_owned()]);
    let environment = Strings::new(leave_out::environment());
    Err(Failure::new(Step::SealedCopy, sys::execute_file(&copy, &name, &environment).raw_os_error()))
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
pub fn settle(sockets: &[&OwnedFd]) -> Result<(), Failure> {
    for socket in sockets {
        fcntl_setfd(socket, FdFlags::CLOEXEC).at(Step::ControlSocket)?;
    }
    sys::reset_signals();
    if !leave_out::is(Part::Umask) {
        umask(Mode::from_raw_mode(0o022));
    }
    // A dropped slot uid with root's group 0 could read the host's 0640 root:root files.
    if ids::may_drop_groups()? && !leave_out::is(Part::Groups) {
        set_thread_groups(&[]).at(Step::ClearGroups)?;
    }
    let none = Rlimit { current: Some(CORE), maximum: Some(CORE) };
    if !leave_out::is(Part::RlimitCore) {
        setrlimit(Resource::Core, none).at(Step::OwnCapabilities)?;
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::OwnCapabilities)
}

/// Own mount namespace that nothing propagates into or out of, with a `/proc` of the own pid namespace.
pub fn own_mounts() -> Result<(), Failure> {
    // SAFETY: mounts only; no descriptors or memory are unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.at(Step::OwnMounts)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).at(Step::OwnMounts)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(c"proc", c"/proc", c"proc", flags, None).at(Step::OwnProc)
}

/// Keeps only the capabilities that making sandboxes needs: here, in the shim and in every forkserver that it starts.
pub fn shed() -> Result<(), Failure> {
    let is_user = ids::is_user_mapped_to_root()?;
    if let Some(name) = capabilities::first_missing(is_user).at(Step::OwnCapabilities)? {
        return Err(Failure::new(Step::OwnCapabilities, libc::EPERM).about(name));
    }
    capabilities::keep_for_forkserver(is_user).at(Step::OwnCapabilities)
}

/// Checks that this process is alone: forks copy one thread. Needs the own `/proc`.
pub fn check_alone() -> Result<(), Failure> {
    let tasks = std::fs::read_dir("/proc/self/task").at(Step::SingleThread)?.count();
    if tasks != 1 {
        return Err(Failure::new(Step::SingleThread, libc::EINVAL));
    }
    Ok(())
}
