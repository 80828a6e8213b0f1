//! Packets with descriptors over the control socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use forkserver::wire::{Event, MAX_PACKET, Request};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use tokio::io::unix::AsyncFd;

/// Most descriptors in one packet: the exec document, then stdin, stdout, stderr.
const MAX_FDS: usize = 4;

/// One packet to the forkserver.
pub struct Outgoing {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// One packet from the forkserver.
#[derive(Debug)]
pub struct Arrival {
    pub event: Event,
    pub fds: Vec<OwnedFd>,
}

impl Outgoing {
    /// A request as a packet. Requests are ours and bounded; one that is too large is a defect, and the forkserver's door says so.
    pub fn new(request: &Request, fds: Vec<OwnedFd>) -> Outgoing {
        Outgoing::of(request, fds)
    }

    /// Any message as a packet.
    pub fn of(message: &impl Serialize, fds: Vec<OwnedFd>) -> Outgoing {
        Outgoing { bytes: serde_json::to_vec(message).expect("a message is plain data"), fds }
    }
}

/// Has the runtime watch a non-blocking socket.
pub fn watch(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and always the same descriptor; the `AsyncFd` owns it as long as it watches it.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

/// Sends one packet; its descriptors are closed here afterwards.
pub async fn send(socket: &AsyncFd<OwnedFd>, packet: &Outgoing) -> Result<(), Errno> {
    loop {
        let mut ready = socket.writable().await.map_err(|_| Errno::IO)?;
        match send_now(socket.get_ref(), packet) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            sent => return sent,
        }
    }
}

fn send_now(socket: &OwnedFd, packet: &Outgoing) -> Result<(), Errno> {
    let fds: Vec<_> = packet.fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::TOOBIG);
    }
    sendmsg(socket, &[IoSlice::new(&packet.bytes)], &mut control, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(drop)
}

/// Receives one packet; `None` when the forkserver has gone. A packet that is cut or isn't an event is an error.
pub async fn receive(socket: &AsyncFd<OwnedFd>, buffer: &mut [u8; MAX_PACKET]) -> Result<Option<Arrival>, Errno> {
    loop {
        let mut ready = socket.readable().await.map_err(|_| Errno::IO)?;
        match receive_now(socket.get_ref(), buffer) {
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(Errno::CONNRESET) => return Ok(None),
            received => return received,
        }
    }
}

fn receive_now(socket: &OwnedFd, buffer: &mut [u8; MAX_PACKET]) -> Result<Option<Arrival>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    let fds = control.drain().flat_map(descriptors).collect();
    if message.bytes == 0 {
        return Ok(None);
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE);
    }
    let event = serde_json::from_slice(&buffer[..message.bytes]).map_err(|_| Errno::BADMSG)?;
    Ok(Some(Arrival { event, fds }))
}

fn descriptors(message: RecvAncillaryMessage<'_>) -> Vec<OwnedFd> {
    match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
        _ => Vec::new(),
    }
}
