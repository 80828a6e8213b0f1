//! The `process` backend: namespaces, control groups, seccomp and Landlock, applied by the forkserver.
//!
//! The forkserver is started when it is first needed. When it dies, everything that it held dies with it; it is started
//! again at a bounded rate.

pub mod cgroups;
mod clerk;
mod link;
mod nursery;
mod probe;
mod sandbox;
mod socket;
mod spawn;
mod targets;
mod trial;
mod verdicts;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forkserver::wire::{HostPlan, HostRoot, PathPlan, RootPlan, SandboxPlan, Substitute};
use tokio::sync::{Mutex, watch};

use self::link::Link;
use self::nursery::{Born, Nursery};
use self::sandbox::Place;
use super::{Answer, Backend, BackendError, Depth, Probed, Sandbox, Template};
use crate::config::UidRange;
use crate::door::document::Loopback;
use crate::privileges;

/// The backend's name in policies and results.
pub const NAME: &str = "process";
/// Shortest pause between two starts of the forkserver; doubled with every one that fails or dies young.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A forkserver that lived this long had no trouble starting.
const GROWN_UP: Duration = Duration::from_secs(60);

/// What the backend needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub instance: String,
    pub program: PathBuf,
    /// An existing, empty directory of this worker's own.
    pub stage_dir: PathBuf,
    pub uids: UidRange,
    pub roots: Vec<RootPlan>,
    /// Host directories below which paths may be granted.
    pub host_roots: Vec<HostRoot>,
    pub substitutes: Vec<Substitute>,
}

/// The backend.
pub struct Process {
    settings: Settings,
    hierarchies: cgroups::Hierarchies,
    serial: AtomicU64,
    starts: Mutex<Starts>,
    /// The shim died, and this process can start no other.
    lost: watch::Sender<bool>,
}

/// The forkserver that is running, and what is known about starting one.
#[derive(Default)]
struct Starts {
    link: Option<Arc<Link>>,
    nursery: Option<Nursery>,
    /// Why the last forkserver would not serve: what a later start that can't be tried any more is refused with.
    refusal: Option<BackendError>,
    last: Option<Instant>,
    pause: Duration,
    closed: bool,
}

impl Process {
    /// Settles in the host's control groups; starts nothing yet.
    pub fn open(settings: Settings) -> std::io::Result<Process> {
        let hierarchies = cgroups::settle()?;
        Ok(Process {
            settings,
            hierarchies,
            serial: AtomicU64::new(1),
            starts: Mutex::default(),
            lost: watch::Sender::new(false),
        })
    }

    /// The running forkserver, started if need be.
    async fn link(&self) -> Result<Arc<Link>, BackendError> {
        let mut starts = self.starts.lock().await;
        if starts.closed {
            return Err(BackendError::Died);
        }
        match starts.link.take() {
            Some(link) if link.is_alive() => {
                starts.link = Some(link.clone());
                return Ok(link);
            }
            Some(dead) => dead.close().await,
            None => {}
        }
        starts.rest()?;
        let born = self.give_birth(&mut starts).await?;
        match Link::open(born, self.host_plan()).await {
            Ok(link) => {
                starts.refusal = None;
                Ok(starts.link.insert(Arc::new(link)).clone())
            }
            Err(error) => {
                starts.refusal = Some(error.clone());
                starts.begin_anew().await;
                Err(error)
            }
        }
    }

    /// A new forkserver: of the shim that is there, else of a new one.
    async fn give_birth(&self, starts: &mut Starts) -> Result<Born, BackendError> {
        match starts.nursery.take() {
            Some(mut nursery) if nursery.is_alive() => {
                let born = nursery.start().await;
                starts.nursery = Some(nursery);
                return born;
            }
            _ if privileges::are_dropped() => return Err(starts.refusal.clone().unwrap_or(BackendError::ShimDied)),
            Some(dead) => dead.close().await,
            None => {}
        }
        let not_started = |error: std::io::Error| BackendError::NotStarted(error.to_string());
        let (nursery, born) = Nursery::open(&self.settings.program).await.map_err(not_started)?;
        let (shim, lost) = (nursery.shim(), self.lost.clone());
        tokio::spawn(async move {
            shim.ended().await;
            lost.send_if_modified(|lost| !std::mem::replace(lost, privileges::are_dropped()) && *lost);
        });
        starts.nursery = Some(nursery);
        Ok(born)
    }

    fn host_plan(&self) -> HostPlan {
        HostPlan {
            instance: self.settings.instance.clone(),
            stage_dir: self.settings.stage_dir.to_string_lossy().into_owned(),
            first_uid: self.settings.uids.first,
            uid_count: self.settings.uids.count,
            cgroups: self.hierarchies.found.clone(),
            roots: self.settings.roots.clone(),
            host_roots: self.settings.host_roots.clone(),
            substitutes: self.settings.substitutes.clone(),
        }
    }

    async fn make(&self, template: &Template, paths: &[PathPlan], slot: u32) -> Result<Place, BackendError> {
        let loopback = template.loopback == Loopback::Private;
        let plan = SandboxPlan { root: template.root.clone(), slot, loopback, paths: paths.to_vec() };
        let id = self.serial.fetch_add(1, Ordering::Relaxed);
        Place::provision(self.link().await?, id, plan).await
    }
}

impl Starts {
    /// Lets the shim go, which starts no forkserver with a plan that its first one didn't accept: the next one starts with another shim.
    /// A process without privileges can start no shim; its own one's first forkserver had accepted the plan.
    async fn begin_anew(&mut self) {
        if privileges::are_dropped() {
            return;
        }
        if let Some(nursery) = self.nursery.take() {
            nursery.close().await;
        }
    }

    /// Notes a start, or says how long there must not be one.
    fn rest(&mut self) -> Result<(), BackendError> {
        let now = Instant::now();
        let Some(last) = self.last else {
            self.last = Some(now);
            return Ok(());
        };
        let lived = now - last;
        if lived > GROWN_UP {
            self.pause = Duration::ZERO;
        }
        if lived < self.pause {
            return Err(BackendError::Resting((self.pause - lived).as_millis() as u64));
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.last = Some(now);
        Ok(())
    }
}

impl Backend for Process {
    fn probe(&self, slot: u32, depth: Depth) -> Pin<Box<dyn Future<Output = Probed> + Send + '_>> {
        Box::pin(self.try_every_layer(slot, depth))
    }

    fn provision<'a>(
        &'a self,
        template: &'a Template,
        paths: &'a [PathPlan],
        slot: u32,
    ) -> Answer<'a, Box<dyn Sandbox>> {
        Box::pin(async move { self.make(template, paths, slot).await.map(|place| Box::new(place) as Box<dyn Sandbox>) })
    }

    fn lost(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            // The sender is our own.
            let _ = self.lost.subscribe().wait_for(|lost| *lost).await;
        })
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut starts = self.starts.lock().await;
            starts.closed = true;
            if let Some(link) = starts.link.take() {
                link.close().await;
            }
            if let Some(nursery) = starts.nursery.take() {
                nursery.close().await;
            }
            Ok(())
        })
    }
}
