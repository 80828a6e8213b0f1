//! The library's end of the control socket.

use forkserver::wire::{CONTROL_FD, Event, MAX_PACKET};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::FdFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

pub fn control_pair() -> (OwnedFd, OwnedFd) {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("socketpair");
    sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(Duration::from_secs(30))).expect("timeout");
    (ours, theirs)
}

/// A program with the control socket on descriptor 3.
pub fn command(program: &str, control: &OwnedFd) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_clear();
    // Heard by a build for mutants only (`ops/mutants.ts`).
    command.envs(std::env::var_os("BULLPEN_LEAVE_OUT").map(|part| ("BULLPEN_LEAVE_OUT", part)));
    let source = control.as_raw_fd();
    // SAFETY: only dup2 and fcntl, which are async-signal-safe; the socket outlives the spawn.
    unsafe {
        command.pre_exec(move || {
            let source = BorrowedFd::borrow_raw(source);
            if source.as_raw_fd() == CONTROL_FD {
                rustix::io::fcntl_setfd(source, FdFlags::empty())?;
            } else if libc::dup2(source.as_raw_fd(), CONTROL_FD) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command
}

pub fn send(socket: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    try_send(socket, bytes, fds).expect("send");
}

/// Sends up to 5 descriptors, which is one more than any packet of the protocol carries.
pub fn try_send(socket: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

/// `None` when the peer is gone.
pub fn receive(socket: &OwnedFd) -> Option<(Event, Vec<OwnedFd>)> {
    let mut buffer = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        // A receive with a timeout is not restarted by the kernel (signal(7)).
        match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received.expect("receive"),
        }
    };
    let fds = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if received.bytes == 0 {
        return None;
    }
    Some((serde_json::from_slice(&buffer[..received.bytes]).expect("an event"), fds))
}

pub fn sealed(bytes: &[u8]) -> OwnedFd {
    let memfd = memfd_create("spec", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    let mut file = File::from(memfd);
    file.write_all(bytes).expect("write");
    let memfd = OwnedFd::from(file);
    fcntl_add_seals(&memfd, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).expect("seal");
    memfd
}
