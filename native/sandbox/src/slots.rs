//! Slots: host uids of this worker's block. No two live sandboxes share one, and one is used again only after the
//! sandbox that had it was removed for certain.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::failure::{Failure, Step};

/// How long a job waits for a slot.
const PATIENCE: Duration = Duration::from_secs(10);

/// The slots of one worker.
#[derive(Debug)]
pub struct Slots {
    /// Counts the free ones.
    permits: Semaphore,
    state: Mutex<State>,
    count: u32,
}

#[derive(Debug)]
struct State {
    /// The one that was free longest comes first.
    free: VecDeque<u32>,
    quarantined: u32,
}

impl Slots {
    /// `count` slots, 0 to `count` - 1.
    pub fn new(count: u32) -> Slots {
        let state = State { free: (0..count).collect(), quarantined: 0 };
        Slots { permits: Semaphore::new(count as usize), state: Mutex::new(state), count }
    }

    /// A slot that is free now.
    pub fn try_take(&self) -> Option<u32> {
        self.permits.try_acquire().ok().and_then(|permit| {
            permit.forget();
            self.pop()
        })
    }

    /// Waits for a free slot.
    pub async fn take(&self) -> Result<u32, Failure> {
        let none =
            || Failure::new(Step::Slot, "none-free", "no slot became free in time: there are more jobs than uids");
        let permit = tokio::time::timeout(PATIENCE, self.permits.acquire()).await.map_err(|_| none())?;
        permit.map_err(|_| none())?.forget();
        self.pop().ok_or_else(none)
    }

    /// Its sandbox is gone for certain.
    pub fn release(&self, slot: u32) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).free.push_back(slot);
        self.permits.add_permits(1);
    }

    /// Something may still run under it: it is never used again.
    pub fn quarantine(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).quarantined += 1;
    }

    /// Free, in use, quarantined.
    pub fn counts(&self) -> (u32, u32, u32) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let free = state.free.len() as u32;
        (free, self.count - free - state.quarantined, state.quarantined)
    }

    fn pop(&self) -> Option<u32> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).free.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_given_once_and_again_only_after_its_release() {
        let slots = Slots::new(2);
        assert_eq!((slots.try_take(), slots.try_take(), slots.try_take()), (Some(0), Some(1), None));
        slots.release(1);
        assert_eq!((slots.try_take(), slots.try_take()), (Some(1), None));
        assert_eq!(slots.counts(), (0, 2, 0));
    }

    #[test]
    fn a_quarantined_slot_never_comes_back() {
        let slots = Slots::new(2);
        assert_eq!(slots.try_take(), Some(0));
        slots.quarantine();
        assert_eq!((slots.try_take(), slots.try_take()), (Some(1), None));
        assert_eq!(slots.counts(), (0, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_gets_no_slot_fails_by_name() {
        let slots = Slots::new(0);
        assert_eq!(slots.take().await.map_err(|failure| failure.step), Err(Step::Slot));
    }
}
