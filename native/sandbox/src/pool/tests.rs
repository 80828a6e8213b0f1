use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use files::{Collected, Full, Limits};
use forkserver::wire::{ClaimLimits, Evidence, Layer, PathAccess};

use super::*;
use crate::backend::{Answer, BackendError, Depth, Launch, NewFile, Probed, Program, Sandbox, Stop};
use crate::door::document::Loopback;

/// A backend whose sandboxes hold nothing, to see what the pool does with them. That sandboxes confine is not shown here.
#[derive(Default)]
struct Recorder {
    live: Arc<AtomicUsize>,
    made: AtomicUsize,
    broken: AtomicBool,
    stuck: Arc<AtomicBool>,
}

struct Empty {
    live: Arc<AtomicUsize>,
    stuck: Arc<AtomicBool>,
}

impl Backend for Recorder {
    fn probe(&self, _slot: u32, _depth: Depth) -> Pin<Box<dyn Future<Output = Probed> + Send + '_>> {
        Box::pin(async { Probed { layers: Vec::new(), clean: true } })
    }

    fn provision<'a>(
        &'a self,
        _template: &'a Template,
        _paths: &'a [PathPlan],
        _slot: u32,
    ) -> Answer<'a, Box<dyn Sandbox>> {
        Box::pin(async {
            if self.broken.load(Ordering::Relaxed) {
                return Err(BackendError::Died);
            }
            self.made.fetch_add(1, Ordering::Relaxed);
            self.live.fetch_add(1, Ordering::Relaxed);
            Ok(Box::new(Empty { live: self.live.clone(), stuck: self.stuck.clone() }) as Box<dyn Sandbox>)
        })
    }

    fn lost(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

impl Sandbox for Empty {
    fn layers(&self) -> &[Layer] {
        &[]
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn start<'a>(&'a mut self, _limits: &'a ClaimLimits, _tenure_until_ms: Option<u64>) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn fill<'a>(&'a mut self, _files: &'a [NewFile<'a>]) -> Answer<'a, Option<Full>> {
        Box::pin(async { Err(BackendError::Died) })
    }

    fn collect<'a>(&'a mut self, _patterns: &'a [String], _limits: Limits) -> Answer<'a, Collected> {
        Box::pin(async { Err(BackendError::Died) })
    }

    fn exec(&mut self, _program: Program) -> Answer<'_, Launch> {
        Box::pin(async { Err(BackendError::Died) })
    }

    fn wait(&mut self) -> Answer<'_, Evidence> {
        Box::pin(async { Err(BackendError::Died) })
    }

    fn stopper(&self) -> Arc<dyn Stop> {
        panic!("nothing runs here")
    }

    fn deprovision(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            if self.stuck.load(Ordering::Relaxed) {
                return Err(BackendError::Silent("Deprovision"));
            }
            self.live.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        })
    }
}

fn template() -> Template {
    Template { backend: "recorder".to_owned(), root: "r".to_owned(), loopback: Loopback::Deny }
}

fn pool(slots: u32, ready: usize) -> (Arc<Recorder>, Arc<Pool>) {
    let recorder = Arc::new(Recorder::default());
    let backends = BTreeMap::from([("recorder".to_owned(), recorder.clone() as Arc<dyn Backend>)]);
    let pool = Pool::open(backends, slots, BTreeMap::from([(template(), Stock { ready, ..Stock::NONE })]));
    (recorder, pool)
}

/// Lets the background come to rest.
async fn settle(pool: &Arc<Pool>) {
    tokio::task::yield_now().await;
    pool.busy.subscribe().wait_for(|count| *count == 0).await.expect("open");
}

#[tokio::test]
async fn a_shelf_is_filled_and_a_job_takes_from_it() {
    let (recorder, pool) = pool(8, 2);
    pool.keep_filled();
    tokio::time::sleep(Duration::from_millis(10)).await;
    settle(&pool).await;
    assert_eq!(recorder.live.load(Ordering::Relaxed), 2);
    let lease = pool.take(&template(), &[]).await.expect("a sandbox");
    assert_eq!(lease.warm, "prepared");
    settle(&pool).await;
    assert_eq!(recorder.live.load(Ordering::Relaxed), 3, "the shelf was filled again");
    drop(lease);
    pool.close().await;
    assert_eq!(recorder.live.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_empty_shelf_means_a_sandbox_made_now() {
    let (recorder, pool) = pool(1, 0);
    for _ in 0..3 {
        assert_eq!(pool.take(&template(), &[]).await.expect("a sandbox").warm, "none");
        settle(&pool).await;
    }
    assert_eq!(recorder.made.load(Ordering::Relaxed), 3, "none is used twice");
}

#[tokio::test]
async fn what_is_ready_gives_its_slot_to_a_job_of_another_template() {
    let (_, pool) = pool(1, 1);
    pool.fill(&template());
    settle(&pool).await;
    let other = Template { loopback: Loopback::Private, ..template() };
    assert_eq!(pool.take(&other, &[]).await.expect("a sandbox").warm, "none");
}

#[tokio::test]
async fn filling_stops_after_three_failures_and_says_so() {
    let (recorder, pool) = pool(16, 1);
    recorder.broken.store(true, Ordering::Relaxed);
    for _ in 0..5 {
        pool.fill(&template());
        settle(&pool).await;
    }
    let stats = pool.stats();
    assert_eq!((&stats["pools"][0]["failures"], &stats["pools"][0]["stopped"]), (&json!(3), &json!(true)));
    assert_eq!(stats["pools"][0]["lastFailure"], "forkserver: died");
}

#[tokio::test]
async fn a_slot_whose_sandbox_could_not_be_removed_is_quarantined() {
    let (recorder, pool) = pool(4, 0);
    recorder.stuck.store(true, Ordering::Relaxed);
    drop(pool.take(&template(), &[]).await.expect("a sandbox"));
    settle(&pool).await;
    assert_eq!(pool.stats()["slots"], json!({ "free": 3, "inUse": 0, "quarantined": 1 }));
}

#[tokio::test]
async fn a_job_with_host_paths_gets_a_sandbox_made_for_it() {
    let (_, pool) = pool(8, 1);
    pool.fill(&template());
    settle(&pool).await;
    let path = PathPlan { root: 0, below: String::new(), access: PathAccess::Readonly };
    assert_eq!(pool.take(&template(), &[path]).await.expect("a sandbox").warm, "none");
    assert_eq!(pool.take(&template(), &[]).await.expect("a sandbox").warm, "prepared", "what was ready is still there");
}
