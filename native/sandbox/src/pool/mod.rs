//! Sandboxes made ahead, by template. One sandbox, one job: what was taken never comes back.
//!
//! A shelf is filled in the background, one sandbox at a time for the whole pool, until it has as many as it should. When
//! building fails repeatedly the shelf stops filling and says so; after a pause it tries once. A job that finds its shelf
//! empty gets a sandbox made for it.

mod lease;
mod shelf;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forkserver::wire::PathPlan;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

pub use self::lease::Lease;
pub use self::shelf::Stock;
use self::shelf::{Ready, Shelf};
use crate::backend::{Backend, Depth, Template};
use crate::failure::{Failure, Step};
use crate::policy::layers::ProbedLayer;
use crate::slots::Slots;

/// How often shelves are looked over for sandboxes that are too old or dead.
const ROUND: Duration = Duration::from_secs(1);
/// How long closing waits for sandboxes that are being removed.
const PARTING: Duration = Duration::from_secs(10);

/// The sandboxes of one worker.
pub struct Pool {
    backends: BTreeMap<String, Arc<dyn Backend>>,
    slots: Slots,
    shelves: Mutex<BTreeMap<Template, Shelf>>,
    /// One sandbox is made ahead at a time.
    building: tokio::sync::Semaphore,
    /// Sandboxes being made ahead or removed.
    busy: watch::Sender<usize>,
    closed: watch::Sender<bool>,
    runtime: Handle,
}

impl Pool {
    /// A pool over `backends` with `slots` uids, that keeps `stock` ready. Must be called inside a Tokio runtime.
    pub fn open(
        backends: BTreeMap<String, Arc<dyn Backend>>,
        slots: u32,
        stock: BTreeMap<Template, Stock>,
    ) -> Arc<Pool> {
        let shelves = stock.into_iter().map(|(template, stock)| (template, Shelf::new(stock))).collect();
        Arc::new(Pool {
            backends,
            slots: Slots::new(slots),
            shelves: Mutex::new(shelves),
            building: tokio::sync::Semaphore::new(1),
            busy: watch::channel(0).0,
            closed: watch::channel(false).0,
            runtime: Handle::current(),
        })
    }

    /// Begins to keep the shelves filled.
    pub fn keep_filled(self: &Arc<Self>) {
        let (pool, mut closed) = (self.clone(), self.closed.subscribe());
        self.runtime.spawn(async move {
            while !*closed.borrow_and_update() {
                pool.look_over();
                let _ = tokio::time::timeout(ROUND, closed.changed()).await;
            }
        });
    }

    /// Tries every layer of every backend.
    pub async fn probe(self: &Arc<Self>, depth: Depth) -> Result<BTreeMap<String, Vec<ProbedLayer>>, Failure> {
        let mut offer = BTreeMap::new();
        for (name, backend) in &self.backends {
            let slot = self.free_slot().await?;
            let probed = backend.probe(slot, depth).await;
            self.give_back(slot, probed.clean);
            offer.insert(name.clone(), probed.layers);
        }
        Ok(offer)
    }

    /// A sandbox for one job: one that is ready, or one that is made now. With host paths in it, it is always made now.
    pub async fn take(self: &Arc<Self>, template: &Template, paths: &[PathPlan]) -> Result<Lease, Failure> {
        if paths.is_empty() {
            let ready = self.shelf(template, Shelf::take);
            self.fill(template);
            if let Some(ready) = ready {
                return Ok(Lease::new(self.clone(), ready, "prepared"));
            }
        }
        // A task of its own: if the job is given up meanwhile, what was made is still removed.
        let (pool, template, paths) = (self.clone(), template.clone(), paths.to_vec());
        let making = self.runtime.spawn(async move {
            let slot = pool.free_slot().await?;
            let ready = pool.make(&template, &paths, slot).await?;
            Ok(Lease::new(pool, ready, "none"))
        });
        making.await.map_err(|_| Failure::new(Step::Panic, "panic", "making a sandbox ended in a defect of ours"))?
    }

    /// Removes what is ready, waits for what is being removed, and closes the backends.
    pub async fn close(self: &Arc<Self>) {
        self.closed.send_replace(true);
        let all: Vec<Ready> = self.lock().values_mut().flat_map(Shelf::empty).collect();
        all.into_iter().for_each(|ready| self.remove(ready));
        let mut busy = self.busy.subscribe();
        // What is still there after that dies with its backend.
        let _ = tokio::time::timeout(PARTING, busy.wait_for(|count| *count == 0)).await;
        for backend in self.backends.values() {
            let _ = backend.close().await;
        }
    }

    /// Ends when a backend can make no sandbox any more.
    pub async fn lost(&self) {
        let (lost, mut heard) = tokio::sync::mpsc::channel(1);
        let mut waiting = tokio::task::JoinSet::new();
        for backend in self.backends.values() {
            let (backend, lost) = (backend.clone(), lost.clone());
            waiting.spawn(async move {
                backend.lost().await;
                let _ = lost.send(()).await;
            });
        }
        heard.recv().await;
    }

    /// Counters for a person or a metric.
    pub fn stats(&self) -> Value {
        let (free, in_use, quarantined) = self.slots.counts();
        let shelves: Vec<Value> = self.lock().iter().map(|(template, shelf)| shelf.stats(template)).collect();
        json!({
            "slots": { "free": free, "inUse": in_use, "quarantined": quarantined },
            "busy": *self.busy.borrow(),
            "pools": shelves,
        })
    }

    /// A free slot. What is ready gives way to a job that has come.
    async fn free_slot(self: &Arc<Self>) -> Result<u32, Failure> {
        if let Some(slot) = self.slots.try_take() {
            return Ok(slot);
        }
        let spare = self.lock().values_mut().find_map(Shelf::spare);
        if let Some(spare) = spare {
            self.remove(spare);
        }
        self.slots.take().await
    }

    async fn make(&self, template: &Template, paths: &[PathPlan], slot: u32) -> Result<Ready, Failure> {
        let Some(backend) = self.backends.get(&template.backend) else {
            self.slots.release(slot);
            return Err(Failure::new(Step::Slot, "no-backend", "this backend is not offered"));
        };
        match backend.provision(template, paths, slot).await {
            Ok(sandbox) => Ok(Ready { sandbox, slot, since: Instant::now() }),
            Err(error) => {
                self.give_back(slot, error.is_clean());
                Err(error.into())
            }
        }
    }

    /// `clean`: nothing can be left that runs under this slot's uid.
    fn give_back(&self, slot: u32, clean: bool) {
        match clean {
            true => self.slots.release(slot),
            false => self.slots.quarantine(),
        }
    }

    fn look_over(self: &Arc<Self>) {
        let stale: Vec<Ready> = self.lock().values_mut().flat_map(Shelf::stale).collect();
        stale.into_iter().for_each(|ready| self.remove(ready));
        let templates: Vec<Template> = self.lock().keys().cloned().collect();
        templates.iter().for_each(|template| self.fill(template));
    }

    /// Fills a shelf in the background, unless that is under way, not wanted, or was given up.
    fn fill(self: &Arc<Self>, template: &Template) {
        if *self.closed.borrow() || !self.shelf(template, Shelf::begin_filling) {
            return;
        }
        let (pool, template, busy) = (self.clone(), template.clone(), Busy::new(self));
        self.runtime.spawn(async move {
            while !*pool.closed.borrow() && pool.shelf(&template, Shelf::lacks) {
                let Ok(_turn) = pool.building.acquire().await else { break };
                let Some(slot) = pool.slots.try_take() else { break };
                match pool.make(&template, &[], slot).await {
                    Ok(ready) => pool.put(&template, ready),
                    Err(failure) => {
                        pool.shelf(&template, |shelf| shelf.failed(&failure));
                        break;
                    }
                }
            }
            pool.shelf(&template, Shelf::end_filling);
            drop(busy);
        });
    }

    fn put(self: &Arc<Self>, template: &Template, ready: Ready) {
        let refused = match *self.closed.borrow() {
            true => Some(ready),
            false => self.shelf(template, |shelf| shelf.put(ready)),
        };
        if let Some(ready) = refused {
            self.remove(ready);
        }
    }

    /// Removes a sandbox in the background; its slot is free again only if that succeeds.
    fn remove(self: &Arc<Self>, ready: Ready) {
        let (pool, busy) = (self.clone(), Busy::new(self));
        self.runtime.spawn(async move {
            let removed = ready.sandbox.deprovision().await;
            pool.give_back(ready.slot, removed.is_ok());
            drop(busy);
        });
    }

    fn shelf<T>(&self, template: &Template, act: impl FnOnce(&mut Shelf) -> T) -> T {
        act(self.lock().entry(template.clone()).or_insert_with(|| Shelf::new(Stock::NONE)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Template, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts something that is under way, until it is dropped.
struct Busy(watch::Sender<usize>);

impl Busy {
    fn new(pool: &Pool) -> Busy {
        pool.busy.send_modify(|count| *count += 1);
        Busy(pool.busy.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests;
