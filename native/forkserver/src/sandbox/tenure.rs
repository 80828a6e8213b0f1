//! A sandbox whose tenure is over: all in it dies, and nothing is begun in it any more

use super::{Outgoing, Sandbox};
use crate::tenure::Tenure;
use forkserver::wire::{Cause, Event};

impl Sandbox {
    pub fn extend_tenure(&mut self, until_ms: u64) {
        if let Some(tenure) = &mut self.tenure {
            tenure.extend_to_ms(until_ms);
        }
    }

    /// Ends what is under way when its time has come. An end for another reason that has begun keeps that reason.
    pub(super) fn look_at_tenure(&mut self, out: &mut Outgoing) {
        if !self.tenure.as_mut().is_some_and(Tenure::expire) {
            return;
        }
        if self.awaiting_death.take().is_some() {
            out.push(self.lapsed());
        }
        // Also one that reads what is dead: who sent it does not read on, or has no right to.
        self.dismiss_clerk();
        let ended = self.end(Cause::Tenure);
        self.settle(ended, out);
    }

    /// Answers a request in place of doing it, if this is over.
    pub(super) fn refuses_as_lapsed(&mut self, out: &mut Outgoing) -> bool {
        self.look_at_tenure(out);
        let is_over = self.is_lapsed();
        if is_over {
            out.push(self.lapsed());
        }
        is_over
    }

    pub(super) fn is_lapsed(&self) -> bool {
        self.tenure.as_ref().is_some_and(Tenure::is_over)
    }

    pub(super) fn lapsed(&self) -> (Event, Vec<std::os::fd::OwnedFd>) {
        (Event::Lapsed { sandbox: self.id }, Vec::new())
    }
}
