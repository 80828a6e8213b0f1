//! How a job under way is reached from outside: it can be ended, and its output watched.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::Stop;
use crate::live::Ring;
use crate::outcome::KillReason;

/// One job's strings to the outside.
pub struct Control {
    killed: watch::Sender<Option<KillReason>>,
    /// Until when the job may go on for now: milliseconds of `CLOCK_BOOTTIME`, `None` without end.
    tenure: watch::Sender<Option<u64>>,
    pub live: Arc<Ring>,
}

impl Control {
    pub fn new(tenure_until_ms: Option<u64>) -> Control {
        Control { killed: watch::Sender::new(None), tenure: watch::Sender::new(tenure_until_ms), live: Arc::default() }
    }

    /// Lets the job go on until then. Nothing for one that needs no word, and never less than before.
    pub fn extend(&self, until_ms: u64) {
        self.tenure.send_if_modified(|tenure| match tenure {
            Some(known) if *known < until_ms => {
                *known = until_ms;
                true
            }
            _ => false,
        });
    }

    /// Until when the job may go on for now.
    pub fn tenure(&self) -> Option<u64> {
        *self.tenure.borrow()
    }

    /// Tells a sandbox of every extension, as long as this is waited for; the first is what holds now.
    pub async fn pass_on_tenure(self: Arc<Self>, to: Arc<dyn Stop>) {
        let mut tenure = self.tenure.subscribe();
        tenure.mark_changed();
        while tenure.changed().await.is_ok() {
            if let Some(until_ms) = *tenure.borrow_and_update() {
                to.extend(until_ms);
            }
        }
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
        let control = Control::new(None);
        assert_eq!(control.unless_killed(async { 1 }).await, Ok(1));
        control.kill(KillReason::Cancelled);
        control.kill(KillReason::Drain);
        assert_eq!((control.reason(), control.killed().await), (Some(KillReason::Cancelled), KillReason::Cancelled));
        assert_eq!(control.unless_killed(async { 1 }).await, Err(KillReason::Cancelled));
    }

    #[tokio::test]
    async fn a_tenure_grows_and_nobody_gets_one_later() {
        let (control, free) = (Control::new(Some(10)), Control::new(None));
        for until_ms in [12, 11] {
            control.extend(until_ms);
            free.extend(until_ms);
        }
        assert_eq!((control.tenure(), free.tenure()), (Some(12), None));
    }
}
