//! One forkserver, spoken to: a task that writes, a task that reads and hands every event to the sandbox that it is about.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forkserver::wire::{Event, HostPlan, MAX_PACKET, Request, StepError, VERSION};
use rustix::net::{Shutdown, shutdown};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::nursery::{Born, Life};
use super::socket::{self, Arrival, Outgoing};
use crate::backend::BackendError;

/// How long the forkserver may take to say that it is ready: it copies files and probes the host.
const READY: Duration = Duration::from_secs(20);
/// How long it may take to end once its socket is closed.
const GOODBYE: Duration = Duration::from_secs(2);

/// A forkserver that has said that it is ready. When it dies every route ends.
#[derive(Debug)]
pub struct Link {
    socket: Arc<AsyncFd<OwnedFd>>,
    outbox: UnboundedSender<Outgoing>,
    routes: Arc<Mutex<Routes>>,
    /// Its socket has ended; what it held may still be dying.
    is_over: Arc<AtomicBool>,
    life: Life,
}

/// Where events go. `None` once the forkserver is gone.
type Routes = Option<HashMap<u64, UnboundedSender<Arrival>>>;

impl Link {
    /// Tells a new forkserver about this host.
    pub async fn open(born: Born, plan: HostPlan) -> Result<Link, BackendError> {
        let Born { socket, life } = born;
        let socket = socket::watch(socket).map_err(|error| BackendError::NotStarted(error.to_string()))?;
        if let Err(error) = greet(&socket, plan).await {
            life.kill().await;
            life.ended().await;
            return Err(error);
        }
        let socket = Arc::new(socket);
        let routes = Arc::new(Mutex::new(Some(HashMap::new())));
        let (outbox, queue) = unbounded_channel();
        tokio::spawn(write(socket.clone(), queue));
        let is_over = Arc::new(AtomicBool::new(false));
        tokio::spawn(read(socket.clone(), routes.clone(), (is_over.clone(), life.clone())));
        Ok(Link { socket, outbox, routes, is_over, life })
    }

    /// Sends a request; false when the forkserver is gone.
    pub fn send(&self, request: &Request, fds: Vec<OwnedFd>) -> bool {
        self.outbox.send(Outgoing::new(request, fds)).is_ok()
    }

    /// Opens the route of a sandbox's events.
    pub fn route(&self, sandbox: u64) -> Result<UnboundedReceiver<Arrival>, BackendError> {
        let (to, from) = unbounded_channel();
        lock(&self.routes).as_mut().ok_or(BackendError::Died)?.insert(sandbox, to);
        Ok(from)
    }

    /// Forgets a sandbox.
    pub fn unroute(&self, sandbox: u64) {
        if let Some(routes) = lock(&self.routes).as_mut() {
            routes.remove(&sandbox);
        }
    }

    pub fn is_alive(&self) -> bool {
        !self.is_over.load(Ordering::Acquire) && lock(&self.routes).is_some()
    }

    /// Kills the forkserver and everything below it.
    pub async fn kill(&self) {
        lock(&self.routes).take();
        self.life.kill().await;
    }

    /// Asks the forkserver to end, makes sure that it does, and waits for it.
    pub async fn close(&self) {
        lock(&self.routes).take();
        // The end of the stream is how the forkserver is told; it may have gone by itself already.
        let _ = shutdown(self.socket.get_ref(), Shutdown::Both);
        if timeout(GOODBYE, self.life.ended()).await.is_err() {
            self.life.kill().await;
            let _ = timeout(GOODBYE, self.life.ended()).await;
        }
    }
}

async fn greet(socket: &AsyncFd<OwnedFd>, host: HostPlan) -> Result<(), BackendError> {
    let hello = Outgoing::new(&Request::Hello { version: VERSION, host }, Vec::new());
    socket::send(socket, &hello).await.map_err(BackendError::system("sendmsg"))?;
    let mut buffer = Box::new([0; MAX_PACKET]);
    let answer =
        timeout(READY, socket::receive(socket, &mut buffer)).await.map_err(|_| BackendError::Silent("Hello"))?;
    match answer.map_err(BackendError::system("recvmsg"))?.map(|arrival| arrival.event) {
        Some(Event::Ready { version: VERSION, .. }) => Ok(()),
        Some(Event::Refused { error }) => Err(error.into()),
        Some(other) => Err(BackendError::Confused { request: "Hello", answer: format!("{other:?}") }),
        None => Err(BackendError::NotStarted("it ended at once".to_owned())),
    }
}

async fn write(socket: Arc<AsyncFd<OwnedFd>>, mut queue: UnboundedReceiver<Outgoing>) {
    while let Some(packet) = queue.recv().await {
        if socket::send(&socket, &packet).await.is_err() {
            return;
        }
    }
}

async fn read(socket: Arc<AsyncFd<OwnedFd>>, routes: Arc<Mutex<Routes>>, (is_over, life): (Arc<AtomicBool>, Life)) {
    let mut buffer = Box::new([0; MAX_PACKET]);
    while let Ok(Some(arrival)) = socket::receive(&socket, &mut buffer).await {
        let routes = lock(&routes);
        let route = routes.as_ref().zip(sandbox_of(&arrival.event)).and_then(|(routes, sandbox)| routes.get(&sandbox));
        if let Some(route) = route {
            // A sandbox that nobody waits for any more.
            let _ = route.send(arrival);
        }
    }
    is_over.store(true, Ordering::Release);
    // Its socket closes before everything below it is dead. Whoever hears that it died may count on that.
    let _ = timeout(GOODBYE, life.ended()).await;
    lock(&routes).take();
}

fn sandbox_of(event: &Event) -> Option<u64> {
    match event {
        Event::Ready { .. } | Event::Refused { .. } => None,
        Event::Provisioned { sandbox, .. }
        | Event::PathRefused { sandbox, .. }
        | Event::Claimed { sandbox, .. }
        | Event::ClerkEnded { sandbox, .. }
        | Event::Started { sandbox, .. }
        | Event::ExecFailed { sandbox, .. }
        | Event::Ended { sandbox, .. }
        | Event::Lapsed { sandbox }
        | Event::Deprovisioned { sandbox, .. }
        | Event::Failed { sandbox, .. } => Some(*sandbox),
    }
}

fn lock(routes: &Mutex<Routes>) -> MutexGuard<'_, Routes> {
    routes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<StepError> for BackendError {
    fn from(error: StepError) -> BackendError {
        BackendError::Step { step: error.step, errno: error.errno, layer: error.layer, message: error.message }
    }
}
