//! The shim as this side sees it: it starts forkservers, also for a worker that could do so no longer.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forkserver::wire::{Notice, ShimOrder};
use rustix::net::{AddressFamily, RecvFlags, Shutdown, SocketFlags, SocketType, recv, shutdown, socketpair};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::socket::{self, Outgoing};
use super::spawn::{self, Shim};
use crate::backend::BackendError;

/// How long the shim may take to answer, which includes the death of a forkserver that still lives.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it may take to end once its socket is closed.
const GOODBYE: Duration = Duration::from_secs(2);
/// A notice is a few bytes.
const NOTICE: usize = 64;

/// A running shim. At most one of its forkservers lives at a time.
pub struct Nursery {
    orders: Arc<AsyncFd<OwnedFd>>,
    replies: mpsc::UnboundedReceiver<bool>,
    /// How many have ended.
    ended: watch::Receiver<u64>,
    started: u64,
    shim: Shim,
}

/// One forkserver as a process: it can be killed, and its end waited for.
#[derive(Debug, Clone)]
pub struct Life {
    orders: Arc<AsyncFd<OwnedFd>>,
    ended: watch::Receiver<u64>,
    number: u64,
}

/// A forkserver that was started.
pub struct Born {
    /// Our end of its control socket: `SOCK_SEQPACKET`, non-blocking.
    pub socket: OwnedFd,
    pub life: Life,
}

impl Life {
    /// Kills it. Everything below it dies with it.
    pub async fn kill(&self) {
        if *self.ended.borrow() < self.number {
            // It fails only when the shim is gone, and with it the forkserver.
            let _ = socket::send(&self.orders, &Outgoing::of(&ShimOrder::Kill, Vec::new())).await;
        }
    }

    /// Waits until it has ended and was reaped.
    pub async fn ended(&self) {
        // Without a sender the shim is gone, and all forkservers are.
        let _ = self.ended.clone().wait_for(|ended| *ended >= self.number).await;
    }
}

impl Nursery {
    /// Starts a shim, and with it a first forkserver.
    pub async fn open(program: &Path) -> io::Result<(Nursery, Born)> {
        let spawn::Child { control, orders, shim } = spawn::spawn(program).await?;
        let orders = Arc::new(socket::watch(orders)?);
        let (reply, replies) = mpsc::unbounded_channel();
        let (count, ended) = watch::channel(0);
        tokio::spawn(listen(orders.clone(), reply, count));
        let nursery = Nursery { orders, replies, ended, started: 1, shim };
        let born = Born { socket: control, life: nursery.newest() };
        Ok((nursery, born))
    }

    pub fn is_alive(&self) -> bool {
        self.ended.has_changed().is_ok() && !self.shim.has_ended()
    }

    /// What ends with the shim.
    pub fn shim(&self) -> Shim {
        self.shim.clone()
    }

    /// Has another forkserver started.
    pub async fn start(&mut self) -> Result<Born, BackendError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
            .map_err(BackendError::system("socketpair"))?;
        rustix::io::ioctl_fionbio(&theirs, false).map_err(BackendError::system("ioctl"))?;
        let order = Outgoing::of(&ShimOrder::Start, vec![theirs]);
        socket::send(&self.orders, &order).await.map_err(BackendError::system("sendmsg"))?;
        drop(order);
        match timeout(ANSWER, self.replies.recv()).await {
            Err(_) => Err(BackendError::Silent("Start")),
            Ok(None) => Err(BackendError::Died),
            Ok(Some(false)) => Err(BackendError::NotStarted("the shim refused".to_owned())),
            Ok(Some(true)) => {
                self.started += 1;
                Ok(Born { socket: ours, life: self.newest() })
            }
        }
    }

    /// Lets the shim end, whose forkserver has, and waits for it.
    pub async fn close(self) {
        // It may have gone by itself already.
        let _ = shutdown(self.orders.get_ref(), Shutdown::Both);
        if timeout(GOODBYE, self.shim.ended()).await.is_err() {
            self.shim.kill();
            let _ = timeout(GOODBYE, self.shim.ended()).await;
        }
    }

    fn newest(&self) -> Life {
        Life { orders: self.orders.clone(), ended: self.ended.clone(), number: self.started }
    }
}

/// Reads notices until the shim is gone.
async fn listen(orders: Arc<AsyncFd<OwnedFd>>, reply: mpsc::UnboundedSender<bool>, ended: watch::Sender<u64>) {
    loop {
        let Ok(mut ready) = orders.readable().await else { return };
        let mut buffer = [0; NOTICE];
        let length = match recv(orders.get_ref(), &mut buffer, RecvFlags::DONTWAIT) {
            Err(rustix::io::Errno::AGAIN) => {
                ready.clear_ready();
                continue;
            }
            Err(rustix::io::Errno::INTR) => continue,
            Ok((length, _)) if length > 0 => length,
            _ => return,
        };
        match serde_json::from_slice(&buffer[..length]) {
            // Nobody may be waiting any more.
            Ok(Notice::Started) => drop(reply.send(true)),
            Ok(Notice::Refused) => drop(reply.send(false)),
            Ok(Notice::Ended) => ended.send_modify(|count| *count += 1),
            Err(_) => return,
        }
    }
}
