//! The bridge between the worker's JavaScript and the sandbox library: it converts, delegates and maps errors, nothing else.
//!
//! Documents cross it as JSON text or bytes, and are judged on the other side. A promise that nobody holds any more cancels
//! nothing; `Execution.kill` does. Load it in the main thread only, and await `Engine.close` before the process exits.

mod failure;

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};

use napi::bindgen_prelude::{Buffer, PromiseRaw, within_runtime_if_available};
use napi::{Env, Result};
use napi_derive::napi;
use sandbox::door;

use failure::{Code, Failure};

/// What this process has leased. A lease ends with the process, so it is never taken out again.
static LEASES: Mutex<Vec<sandbox::lease::Lease>> = Mutex::new(Vec::new());

/// Directories that paths given to JavaScript lead through.
static SPOOLS: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

/// Takes a lease (`{runDir, uids: {first, count}, slots}`) for the life of this process; gives it as
/// `{instance, firstUid, uidCount, unclean}`. Blocks while dead instances are cleaned up after: some seconds at worst.
#[napi(catch_unwind)]
pub fn lease(config: String) -> Result<String, Code> {
    let lease = sandbox::lease::take(&config).map_err(Failure::from)?;
    let document = lease.to_json();
    LEASES.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(lease);
    Ok(document)
}

/// Opens the spool directory of an instance that this process has leased (`{runDir, home, instance, owner}`, `owner` null or
/// `{uid, gid}`), with what dead instances left in it, for the life of this process; gives a path that leads there also for a user
/// who may not walk to it.
#[napi(catch_unwind)]
pub fn claim_spool(config: String) -> Result<String, Code> {
    let directory = sandbox::lease::spool::claim(&config).map_err(Failure::from)?;
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    SPOOLS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(directory);
    Ok(path)
}

/// Gives up every privilege of this process, on all of its threads, for good. After an error it must end.
#[napi(catch_unwind)]
pub fn drop_privileges(uid: u32, gid: u32) -> Result<(), Code> {
    sandbox::privileges::drop_to(uid, gid).map_err(Failure::from)?;
    Ok(())
}

/// Milliseconds of `CLOCK_BOOTTIME`, on which tenures are counted.
#[napi(catch_unwind)]
pub fn boottime() -> f64 {
    // Exact for 285,000 years of uptime.
    sandbox::boottime_ms() as f64
}

/// The door's verdict on a job document: `{"ok": true}` or `{"ok": false, "issues": [{path, rule, message}]}`.
#[napi(catch_unwind)]
pub fn parse_job(bytes: Buffer, max_bytes: u32) -> String {
    match door::parse_job(&bytes, max_bytes as usize) {
        Ok(_) => String::from(r#"{"ok":true}"#),
        Err(issues) => door::issues_to_json(&issues),
    }
}

/// The backends, pools and runtimes of one worker.
#[napi]
pub struct Engine {
    inner: Arc<sandbox::Engine>,
}

/// One job under way.
#[napi]
pub struct Execution {
    inner: Arc<sandbox::Execution>,
}

#[napi]
impl Engine {
    /// Opens an engine: a worker configuration with `instance`, `forkserverPath` and the leased `uids`.
    #[napi(catch_unwind)]
    pub fn open(env: &Env, config: String) -> Result<PromiseRaw<'_, Engine>> {
        let opening = async move { sandbox::Engine::open(&config).await.map_err(Failure::from) };
        promise(env, opening, |inner| Engine { inner: Arc::new(inner) })
    }

    /// Begins a job: the document's bytes, and `{uid, epoch, tenant, id, queuedUs, worker, tenureUntilMs}`.
    #[napi(catch_unwind)]
    pub fn run(&self, job: Buffer, context: String) -> Result<Execution, Code> {
        let execution =
            within_runtime_if_available(|| self.inner.run(job.to_vec(), &context)).map_err(Failure::from)?;
        Ok(Execution { inner: Arc::new(execution) })
    }

    /// What this host can do: `{layers, runtimes}`.
    #[napi(catch_unwind)]
    pub fn probe<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, String>> {
        let engine = self.inner.clone();
        promise(env, async move { engine.probe().await.map_err(Failure::from) }, |document| document)
    }

    /// What would become of a job here, without running it: `explanation.schema.json`.
    #[napi(catch_unwind)]
    pub fn explain<'env>(&self, env: &'env Env, job: Buffer) -> Result<PromiseRaw<'env, String>> {
        let (engine, job) = (self.inner.clone(), job.to_vec());
        promise(env, async move { engine.explain(job).await.map_err(Failure::from) }, |document| document)
    }

    /// What the operator allows and adds: `{ceilings, defaults, policies, hostRoots}`.
    #[napi(catch_unwind)]
    pub fn terms(&self) -> String {
        self.inner.terms()
    }

    /// Counters of pools, slots and executions.
    #[napi(catch_unwind)]
    pub fn stats(&self) -> String {
        self.inner.stats()
    }

    /// Ends when this process can run no job any more, as its forkserver can't be started again; and after `close`.
    #[napi(catch_unwind)]
    pub fn lost<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        let engine = self.inner.clone();
        let losing = async move {
            engine.lost().await;
            Ok(())
        };
        promise(env, losing, |()| ())
    }

    /// Kills what runs and waits until everything is gone. After that the engine refuses all but `stats` and `close`.
    #[napi(catch_unwind)]
    pub fn close<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, ()>> {
        let engine = self.inner.clone();
        let closing = async move {
            engine.close().await;
            Ok(())
        };
        promise(env, closing, |()| ())
    }
}

#[napi]
impl Execution {
    /// The result document's bytes: a string of this size may be more than JavaScript has room for. May be called again,
    /// and gives the same.
    #[napi(catch_unwind)]
    pub fn wait<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Buffer>> {
        let execution = self.inner.clone();
        promise(env, async move { Ok(execution.wait().await) }, |document| Buffer::from(document.as_slice()))
    }

    /// Ends the job: `cancelled`, `drain` or `lock-lost`. The first reason wins; after the end it does nothing.
    #[napi(catch_unwind)]
    pub fn kill(&self, reason: String) -> Result<(), Code> {
        within_runtime_if_available(|| self.inner.kill(&reason)).map_err(Failure::from)?;
        Ok(())
    }

    /// Lets a job that was given a tenure go on until this moment of `boottime`; what is no moment extends nothing.
    #[napi(catch_unwind)]
    pub fn extend(&self, until_ms: f64) {
        // A number that is none, or negative, is 0.
        self.inner.extend(until_ms as u64);
    }

    /// The next piece of live output (`{stream, step, offset, base64}`), or `null` when there is none now.
    #[napi(catch_unwind)]
    pub fn read<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Option<String>>> {
        let execution = self.inner.clone();
        promise(env, async move { Ok(execution.read()) }, |chunk| chunk)
    }
}

/// Runs a future on the addon's runtime. A failure rejects with an Error that has the failure's code; so does a panic,
/// without one of ours.
fn promise<'env, T, V>(
    env: &'env Env,
    future: impl Future<Output = std::result::Result<T, Failure>> + Send + 'static,
    convert: impl FnOnce(T) -> V + 'static,
) -> Result<PromiseRaw<'env, V>>
where
    T: Send + 'static,
    V: napi::bindgen_prelude::ToNapiValue,
{
    env.spawn_future_with_callback(async move { Ok(future.await) }, move |env, outcome| match outcome {
        Ok(value) => Ok(convert(value)),
        Err(failure) => Err(failure.into_rejection(env)),
    })
}
