//! Clerks of a sandbox: at most one at a time, each at its time.

use super::{Outgoing, Sandbox, State};
use crate::clerk::Clerk;
use crate::clock::boottime;
use crate::host::Host;
use crate::step::{Failure, Step};
use forkserver::wire::{Event, Task};
use std::os::fd::OwnedFd;

impl Sandbox {
    /// Sends a clerk; `fds` is its stream.
    pub fn send_clerk(&mut self, task: Task, fds: Vec<OwnedFd>, out: &mut Outgoing) {
        if self.refuses_as_lapsed(out) {
            return;
        }
        let sent = self.try_send_clerk(task, fds);
        self.settle(sent, out);
    }

    fn try_send_clerk(&mut self, task: Task, fds: Vec<OwnedFd>) -> Result<(), Failure> {
        let Ok([stream]) = <[OwnedFd; 1]>::try_from(fds) else { return Err(Failure::new(Step::Request, libc::EBADF)) };
        self.expect_no_clerk()?;
        match (task, self.state, self.has_run) {
            (Task::Fill, State::Limited, false) | (Task::Collect, State::Dead, true) => self.send(task, stream),
            // What is left of it then is init, alone. Nothing is read beside it all the same.
            (Task::Collect, State::Limited, true) => {
                self.awaiting_death = Some(stream);
                self.die()
            }
            _ => Err(Failure::new(Step::Request, libc::EPROTO).about(format!("{task:?} in state {:?}", self.state))),
        }
    }

    /// Nothing else happens to the box meanwhile.
    pub(super) fn expect_no_clerk(&self) -> Result<(), Failure> {
        match (&self.clerk, &self.awaiting_death) {
            (None, None) => Ok(()),
            _ => Err(Failure::new(Step::Request, libc::EBUSY).about("clerk")),
        }
    }

    fn send(&mut self, task: Task, stream: OwnedFd) -> Result<(), Failure> {
        self.clerk = Some(Clerk::send(task, &self.parts.workspace()?.root, stream, self.ids()?)?);
        Ok(())
    }

    /// Everything is dead: the clerk that was asked for may go.
    pub(super) fn send_waiting_clerk(&mut self, out: &mut Outgoing) {
        if let Some(stream) = self.awaiting_death.take() {
            let sent = self.send(Task::Collect, stream);
            self.settle(sent, out);
        }
    }

    /// It has ended.
    pub fn on_clerk_death(&mut self, host: &Host, out: &mut Outgoing) {
        let Some(clerk) = self.clerk.take() else { return };
        match clerk.reap() {
            Ok(_) if self.is_lapsed() => out.push(self.lapsed()),
            Ok(status) => out.push((Event::ClerkEnded { sandbox: self.id, status }, Vec::new())),
            Err(failure) => self.settle(Err(failure), out),
        }
        if matches!(self.state, State::Emptying | State::Removing) {
            self.advance(host, out);
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn dismiss_clerk(&self) {
        if let Some(clerk) = &self.clerk {
            clerk.kill();
        }
    }

    /// One that takes too long is killed; its death tells.
    pub(super) fn hurry_clerk(&mut self) {
        if let Some(clerk) = self.clerk.as_mut().filter(|clerk| clerk.deadline <= boottime()) {
            clerk.kill();
            clerk.deadline = u64::MAX;
        }
    }
}
