//! Packets with descriptors over a `SOCK_SEQPACKET` socket: one message, one packet.

use forkserver::wire::MAX_PACKET;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most descriptors that any message carries.
const MAX_DESCRIPTORS: usize = 4;
/// Events that may wait for a library that doesn't read: beyond it the library is as good as dead.
const MAX_WAITING: usize = 1024;

/// What a read brought.
pub enum Received<M> {
    Message(M, Vec<OwnedFd>),
    /// Nothing is there now (non-blocking read).
    Nothing,
    /// The peer is gone.
    End,
    /// Not one of our messages: too long, cut, or not of this protocol.
    Malformed,
}

pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends one message, waiting for room if `flags` say so.
pub fn send<M: Serialize>(
    socket: impl AsFd,
    message: &M,
    fds: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), Errno> {
    let bytes = serde_json::to_vec(message).map_err(|_| Errno::INVAL)?;
    send_bytes(socket, &bytes, fds, flags)
}

fn send_bytes(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>], flags: SendFlags) -> Result<(), Errno> {
    if bytes.len() > MAX_PACKET || fds.len() > MAX_DESCRIPTORS {
        return Err(Errno::MSGSIZE);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags | SendFlags::NOSIGNAL).map(drop)
}

/// Receives one message into `buffer` ([`MAX_PACKET`] bytes).
pub fn receive<M: DeserializeOwned>(
    socket: impl AsFd,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Result<Received<M>, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received =
        match recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut ancillary, flags | RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
            Err(Errno::CONNRESET) => return Ok(Received::End),
            Err(errno) => return Err(errno),
        };
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if received.bytes == 0 {
        return Ok(Received::End);
    }
    // The room for descriptors is rounded up: one or two more than asked for get in without being cut off.
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > MAX_DESCRIPTORS {
        return Ok(Received::Malformed);
    }
    Ok(match serde_json::from_slice(&buffer[..received.bytes]) {
        Ok(message) => Received::Message(message, fds),
        Err(_) => Received::Malformed,
    })
}

/// The sending side towards the library: never blocks, so that a library that stops reading can't stop deadlines.
pub struct Outbox {
    waiting: VecDeque<(Vec<u8>, Vec<OwnedFd>)>,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox { waiting: VecDeque::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Queues a message; `Err` when the library has stopped reading.
    pub fn push<M: Serialize>(&mut self, message: &M, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Errno::NOBUFS);
        }
        self.waiting.push_back((serde_json::to_vec(message).map_err(|_| Errno::INVAL)?, fds));
        Ok(())
    }

    /// Sends what the socket takes now.
    pub fn flush(&mut self, socket: impl AsFd) -> Result<(), Errno> {
        while let Some((bytes, fds)) = self.waiting.front() {
            let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            match send_bytes(&socket, bytes, &fds, SendFlags::DONTWAIT) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}
