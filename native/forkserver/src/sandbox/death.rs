//! The way out: kill, wait until all is dead, say how it ended, remove.

use super::{Outgoing, RETRY, Sandbox, State};
use crate::clock::{after, boottime};
use crate::host::Host;
use crate::step::{At, Failure, Step};
use forkserver::wire::{Cause, DEATH_PATIENCE, Event};
use leave_out::Part;
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

impl Sandbox {
    pub(super) fn end(&mut self, cause: Cause) -> Result<(), Failure> {
        self.conclude(cause)?;
        self.die()
    }

    pub(super) fn conclude(&mut self, cause: Cause) -> Result<(), Failure> {
        match &mut self.exec {
            Some(exec) => exec.conclude(cause, self.parts.workspace()?, self.parts.leaf()?),
            None => Ok(()),
        }
    }

    /// Kills everybody: all in the leaf at once where the kernel can; and init, with which the kernel kills its pid namespace.
    pub(super) fn die(&mut self) -> Result<(), Failure> {
        if self.is_ending() {
            return Ok(());
        }
        self.watch.restart();
        self.dismiss_clerk();
        self.deadline = Some(after(DEATH_PATIENCE));
        let Some(init) = &self.parts.init else {
            (self.state, self.retry) = (State::Emptying, Some(boottime()));
            return Ok(());
        };
        self.state = State::Dying;
        if leave_out::is(Part::KillNamespace) {
            return Ok(());
        }
        self.parts.leaf()?.kill().at(Step::Quarantine)?;
        match pidfd_send_signal(&init.pidfd, Signal::KILL) {
            // Dead already: its pidfd says so too.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno).at(Step::Quarantine),
        }
    }

    /// An own failure ends the sandbox, and is told at once.
    pub(super) fn settle(&mut self, result: Result<(), Failure>, out: &mut Outgoing) {
        let Err(failure) = result else { return };
        self.exec = None;
        self.refused = None;
        self.awaiting_death = None;
        out.push((Event::Failed { sandbox: self.id, error: failure.into() }, Vec::new()));
        // That killing fails too is found by the deadline.
        let _ = self.die();
    }

    /// The kernel may have finished what this state waits for.
    pub(super) fn advance(&mut self, host: &Host, out: &mut Outgoing) {
        self.retry = None;
        match self.state {
            State::Emptying => self.finish(host, out),
            State::Removing => self.try_remove(host, out),
            _ => {}
        }
    }

    pub(super) fn finish(&mut self, host: &Host, out: &mut Outgoing) {
        if self.clerk.is_some() {
            // Its death brings us here again.
            return;
        }
        let emptied = self.parts.leaf.as_ref().map_or(Ok(true), |leaf| leaf.is_empty().at(Step::Evidence));
        let emptied = if leave_out::is(Part::LeafEmpty) { Ok(true) } else { emptied };
        match emptied {
            Ok(false) => {
                self.retry = Some(after(RETRY));
                return;
            }
            Ok(true) => {}
            Err(failure) => self.settle(Err(failure), out),
        }
        (self.state, self.deadline) = (State::Dead, None);
        self.tell_end(out);
        self.watch.lap("evidence");
        self.send_waiting_clerk(out);
        if self.unwanted {
            self.remove(host, out);
        }
    }

    /// Everything of the exec is dead: says how it ended.
    pub(super) fn tell_end(&mut self, out: &mut Outgoing) {
        if let Some((step, errno)) = self.refused.take() {
            out.push((Event::ExecFailed { sandbox: self.id, step, errno }, Vec::new()));
        }
        let Some(exec) = self.exec.take() else { return };
        match self.parts.leaf().and_then(|leaf| exec.evidence(leaf, self.sockets.as_ref())) {
            Ok(evidence) => out.push((Event::Ended { sandbox: self.id, step: exec.asked.step, evidence }, Vec::new())),
            Err(failure) => self.settle(Err(failure), out),
        }
    }

    pub(super) fn remove(&mut self, host: &Host, out: &mut Outgoing) {
        (self.state, self.deadline) = (State::Removing, Some(after(DEATH_PATIENCE)));
        self.watch.restart();
        self.dismiss_clerk();
        (self.parts.workspace, self.parts.alarm) = (None, None);
        if let Some(leaf) = &self.parts.leaf {
            // It is only about what the kernel remembers: the leaf goes all the same.
            let _ = host.hierarchies.give_up_leaf(leaf);
        }
        self.try_remove(host, out);
    }

    pub(super) fn try_remove(&mut self, host: &Host, out: &mut Outgoing) {
        if self.clerk.is_some() {
            return;
        }
        let removed = self.parts.leaf.as_ref().map_or(Ok(()), |leaf| host.hierarchies.remove_leaf(leaf));
        match removed {
            Ok(()) => {
                self.watch.lap("rmdir");
                self.state = State::Gone;
                out.push((Event::Deprovisioned { sandbox: self.id, stages: self.watch.take() }, Vec::new()));
            }
            Err(Errno::BUSY) => self.retry = Some(after(RETRY)),
            Err(errno) => self.leave_leaf(errno.raw_os_error(), out),
        }
    }

    /// What stays behind has our instance's name: the worker's janitor takes it away.
    pub(super) fn leave_leaf(&mut self, errno: i32, out: &mut Outgoing) {
        let error = Failure::new(Step::RemoveLeaf, errno).into();
        out.push((Event::Failed { sandbox: self.id, error }, Vec::new()));
        self.state = State::Gone;
    }

    /// The deadline of a state has passed.
    pub(super) fn give_up(&mut self, out: &mut Outgoing) {
        self.deadline = None;
        let late = match self.state {
            State::Building => Step::InitSilent,
            State::Starting => Step::PayloadSilent,
            State::Removing => return self.leave_leaf(libc::EBUSY, out),
            // Still there, and still waited for: but nobody is to rely on it.
            _ => Step::Quarantine,
        };
        self.settle(Err(Failure::new(late, libc::ETIMEDOUT)), out);
    }
}
