//! What all jobs of one engine share: configuration, runtimes, backends, the pool, and what was found to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::backend::process::{self, Process};
use crate::backend::{Backend, Depth, Template};
use crate::config::{Config, RootAccess, RootConfig, Warmth};
use crate::door::document::Loopback;
use crate::lease;
use crate::policy::host_paths;
use crate::policy::layers::{Offer, ProbedLayer};
use crate::pool::{Pool, Stock};
use crate::runtime::Catalogue;

/// A probe in which something was missing is repeated for a job after this long: the host may have recovered.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// How many sandboxes are ready where the configuration says nothing about pools.
const DEFAULT_READY: u32 = 2;
/// How old they may get.
const DEFAULT_TTL: Duration = Duration::from_secs(600);

/// One engine's belongings.
pub struct House {
    pub config: Config,
    pub catalogue: Catalogue,
    pub pool: Arc<Pool>,
    /// Runtimes whose interpreter this host lacks.
    lacking: BTreeSet<String>,
    probed: Mutex<Option<(Instant, Arc<Offer>)>>,
    stage_dir: PathBuf,
}

impl House {
    /// Makes the directories, and the backends around them. Starts nothing yet.
    pub fn build(mut config: Config) -> io::Result<House> {
        let catalogue = Catalogue::of(&config.worker);
        config.worker.roots.iter().try_for_each(check_root)?;
        let stage_dir = make_stage_dir(&config)?;
        // What may not be granted is judged by names: they must be the real ones.
        config.worker.run_dir = config.worker.run_dir.canonicalize()?;
        let backend = Process::open(process::Settings {
            instance: config.instance.clone(),
            program: config.forkserver_path.clone(),
            stage_dir: stage_dir.clone(),
            uids: config.uids,
            roots: catalogue.root_plans(),
            host_roots: host_paths::host_roots(&config.worker.roots),
            substitutes: config.worker.substitutes.clone(),
        })?;
        let backends = BTreeMap::from([(process::NAME.to_owned(), Arc::new(backend) as Arc<dyn Backend>)]);
        let lacking = catalogue.runtimes.iter().filter(|(_, runtime)| !Path::new(&runtime.interpreter).exists());
        let lacking = lacking.map(|(name, _)| name.clone()).collect();
        let pool = Pool::open(backends, config.uids.count, stock(&config, &catalogue));
        Ok(House { config, catalogue, pool, lacking, probed: Mutex::new(None), stage_dir })
    }

    /// Whether a runtime can't work here.
    pub fn lacks_interpreter(&self, runtime: &str) -> bool {
        self.lacking.contains(runtime)
    }

    /// What holds here, as far as was found: the last probe's word, or a new one's where something was missing.
    pub async fn offer(&self) -> Arc<Offer> {
        let mut probed = self.probed.lock().await;
        match &*probed {
            Some((when, offer)) if holds_all(offer) || when.elapsed() < TRY_AGAIN => offer.clone(),
            _ => self.look(&mut probed, Depth::Posture).await,
        }
    }

    /// Tries every layer, now.
    pub async fn probe(&self, depth: Depth) -> Arc<Offer> {
        self.look(&mut *self.probed.lock().await, depth).await
    }

    async fn look(&self, probed: &mut Option<(Instant, Arc<Offer>)>, depth: Depth) -> Arc<Offer> {
        let offer = self.pool.probe(depth).await.unwrap_or_else(|failure| unproven(&failure.message));
        let offer = Arc::new(offer);
        *probed = Some((Instant::now(), offer.clone()));
        offer
    }

    /// Removes everything that was made.
    pub async fn close(&self) {
        self.pool.close().await;
        // The forkserver has done so, unless it was killed. Empty: what was mounted there was so in its own namespace.
        let _ = std::fs::remove_dir(&self.stage_dir);
    }
}

/// A probe that could not even begin: nothing holds.
fn unproven(message: &str) -> Offer {
    let layer = |(layer, _): (&str, &str)| ProbedLayer {
        layer: layer.to_owned(),
        held: false,
        tried: true,
        value: None,
        tried_by: None,
        message: Some(message.to_owned()),
        remedy: None,
        is_substitute: false,
    };
    Offer::from([(process::NAME.to_owned(), crate::policy::layers::needed().map(layer).collect())])
}

fn holds_all(offer: &Offer) -> bool {
    offer.values().flatten().all(|layer| layer.held)
}

/// A directory of the operator's list must be usable from the start: a slip of the pen is found here, not by a job.
fn check_root(root: &RootConfig) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, openat2};
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat2(
        rustix::fs::CWD,
        &*root.path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    );
    let stat = dir.and_then(fstat).map_err(|errno| {
        io::Error::other(format!(
            "roots: {}: must be a directory, reached without symbolic links: {}",
            root.path,
            io::Error::from(errno)
        ))
    })?;
    let user = rustix::process::geteuid().as_raw();
    let why = match user {
        0 if stat.st_uid == 0 || stat.st_gid == 0 => {
            "to a user and a group other than root: jobs act as its owner there"
        }
        user if user != 0 && stat.st_uid != user => "to this worker's own user: its jobs have no other id",
        _ => return Ok(()),
    };
    match root.access {
        RootAccess::Readwrite => {
            Err(io::Error::other(format!("roots: {}: to be readwrite it must belong {why}", root.path)))
        }
        RootAccess::Readonly => Ok(()),
    }
}

/// A directory of this instance's own, below the run directory, that nobody else may enter.
fn make_stage_dir(config: &Config) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let stage_dir = lease::stage_dir(&config.worker.run_dir, &config.instance);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&stage_dir)?;
    Ok(stage_dir)
}

/// What is kept ready: as configured, runtimes that share a root file system together; without a word about pools, a few
/// of every root file system that a runtime uses. With a loopback of its own nothing is made ahead.
fn stock(config: &Config, catalogue: &Catalogue) -> BTreeMap<Template, Stock> {
    let template =
        |root: &str| Template { backend: process::NAME.to_owned(), root: root.to_owned(), loopback: Loopback::Deny };
    let Some(pools) = &config.worker.pools else {
        let ready = config.worker.slots.min(DEFAULT_READY) as usize;
        let roots = catalogue.runtimes.values().map(|runtime| template(&runtime.root));
        return roots.map(|template| (template, Stock { ready, ttl: DEFAULT_TTL })).collect();
    };
    let mut all = BTreeMap::new();
    for (name, pool) in pools.iter().filter(|(_, pool)| pool.warm == Warmth::Prepared) {
        let Some(runtime) = catalogue.runtimes.get(name) else { continue };
        let ttl = Duration::from_millis(pool.ttl_ms);
        let stock = all.entry(template(&runtime.root)).or_insert(Stock { ready: 0, ttl });
        stock.ready += pool.ready as usize;
        stock.ttl = stock.ttl.min(ttl);
    }
    all
}
