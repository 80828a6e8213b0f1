//! How a job under way is reached from outside: it can be ended, and its output watched.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::live::Ring;
use crate::outcome::KillReason;

/// One job's strings to the outside.
pub struct Control {
    killed: watch::Sender<Option<KillReason>>,
    pub live: Arc<Ring>,
}

impl Control {
    pub fn new() -> Control {
        Control { killed: watch::channel(None).0, live: Arc::default() }
    }

    /// Asks for the job's end. The first reason stays.
    pub fn kill(&self, reason: KillReason) {
        self.killed.send_if_modified(|killed| {
            let first = killed.is_none();
            killed.get_or_insert(reason);
            first
        });
    }

    /// Why the job is to end, if it is.
    pub fn reason(&self) -> Option<KillReason> {
        *self.killed.borrow()
    }

    /// Waits until the job is to end.
    pub async fn killed(&self) -> KillReason {
        let mut killed = self.killed.subscribe();
        loop {
            if let Some(reason) = *killed.borrow_and_update() {
                return reason;
            }
            if killed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What `work` gives, unless the job is to end first.
    pub async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> Result<T, KillReason> {
        tokio::select! {
            biased;
            reason = self.killed() => Err(reason),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let control = Control::new();
        assert_eq!(control.unless_killed(async { 1 }).await, Ok(1));
        control.kill(KillReason::Cancelled);
        control.kill(KillReason::Drain);
        assert_eq!((control.reason(), control.killed().await), (Some(KillReason::Cancelled), KillReason::Cancelled));
        assert_eq!(control.unless_killed(async { 1 }).await, Err(KillReason::Cancelled));
    }
}
