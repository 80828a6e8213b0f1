//! What init tells, and what becomes of the sandbox by it.

use super::{Outgoing, Sandbox, State};
use crate::channel::{self, Received};
use crate::clock::after;
use crate::host::Host;
use crate::layers::{self, Around};
use crate::posture;
use crate::report::{Executing, Order, Report};
use crate::step::{At, Failure, Step};
use crate::sys;
use forkserver::wire::{Cause, DEATH_PATIENCE, Event, ExitStatus};
use leave_out::Part;
use rustix::net::RecvFlags;
use std::os::fd::OwnedFd;

impl Sandbox {
    /// Init has something to say.
    pub fn on_report(&mut self, host: &Host, buffer: &mut [u8], out: &mut Outgoing) {
        while let Some(init) = &mut self.parts.init
            && let Some(socket) = &init.socket
        {
            let heard = match channel::receive(socket, buffer, RecvFlags::DONTWAIT) {
                Ok(Received::Message(report, fds)) => self.hear(report, fds, host, out),
                Ok(Received::Nothing) => return,
                Ok(Received::End) => {
                    init.socket = None;
                    return;
                }
                Ok(Received::Malformed) => Err(Failure::new(Step::InitChannel, libc::EBADMSG)),
                Err(errno) => Err(errno).at(Step::InitChannel),
            };
            let is_over = heard.is_err();
            self.settle(heard, out);
            if is_over {
                return;
            }
        }
    }

    /// Init is dead, and with it everything in its pid namespace.
    pub fn on_init_death(&mut self, host: &Host, buffer: &mut [u8], out: &mut Outgoing) {
        self.on_report(host, buffer, out);
        let Some(init) = self.parts.init.take() else { return };
        if !self.is_ending() {
            self.deadline = Some(after(DEATH_PATIENCE));
            let cause = match &mut self.exec {
                Some(_) => self.conclude(Cause::InitDied),
                None => Err(Failure::new(Step::InitDied, libc::ESRCH)),
            };
            self.settle(cause, out);
        }
        // Its pidfd is readable: this does not block.
        let reaped = sys::reap(init.pid).at(Step::Wait);
        if let (Ok(used), Some(leaf)) = (&reaped, &self.parts.leaf) {
            leaf.end(*used);
        }
        self.settle(reaped.map(drop), out);
        self.watch.lap("kill");
        self.state = State::Emptying;
        self.advance(host, out);
    }

    fn hear(&mut self, report: Report, mut fds: Vec<OwnedFd>, host: &Host, out: &mut Outgoing) -> Result<(), Failure> {
        match (self.state, report) {
            (State::Building, Report::Ready { stages }) => {
                self.watch.lap("init");
                self.watch.add(stages);
                self.check_alone()?;
                self.become_ready(host, out)
            }
            (State::Starting, Report::Running { at, landlock_abi, stages }) => {
                self.watch.add(stages);
                let pidfd = fds.pop().ok_or(Failure::new(Step::InitChannel, libc::EBADF))?;
                self.become_running((at, pidfd), landlock_abi, host, out)
            }
            (State::Starting, Report::ExecFailed { errno }) => self.refuse(errno, out),
            (State::Running | State::Dying, Report::Exited { status, at }) => self.exited(status, at),
            (State::Clearing, Report::Cleared) => self.cleared(out),
            (State::Dying, _) => Ok(()),
            (_, Report::Failed { failure }) => self.init_failed(failure),
            _ => Err(Failure::new(Step::InitChannel, libc::EPROTO)),
        }
    }

    fn become_ready(&mut self, host: &Host, out: &mut Outgoing) -> Result<(), Failure> {
        let ids = self.ids()?;
        self.watch.restart();
        let layers = layers::of_place(&self.parts, ids, host)?;
        self.watch.lap("read-place");
        let root = self.parts.workspace()?.root.try_clone().at(Step::Workspace)?;
        (self.state, self.deadline) = (State::Ready, None);
        let (sandbox, uid, gid, stages) = (self.id, ids.host_uid, ids.host_gid, self.watch.take());
        out.push((Event::Provisioned { sandbox, uid, gid, layers, stages }, vec![root]));
        Ok(())
    }

    fn become_running(
        &mut self,
        (at, pidfd): (Executing, OwnedFd),
        landlock_abi: u32,
        host: &Host,
        out: &mut Outgoing,
    ) -> Result<(), Failure> {
        let ids = self.ids()?;
        let exec = self.exec.as_mut().ok_or(Failure::new(Step::InitChannel, libc::EPROTO))?;
        exec.started(at, pidfd);
        let program = exec.program();
        self.watch.restart();
        let around = Around { host, leaf: self.parts.leaf()?, ids, landlock_abi };
        let layers = match program.map_or(Ok(None), |pid| layers::of_program(pid, &around)) {
            Ok(layers) => layers,
            Err(failure) => return self.init_failed(failure),
        };
        self.watch.lap("read-program");
        let (Some(program), Some(layers)) = (program, layers) else { return self.end(Cause::InitDied) };
        (self.state, self.deadline) = (State::Running, None);
        // It may be over already: then there is nothing to look at.
        let posture = exec.asked.report_posture.then_some(program);
        let posture = posture.and_then(|pid| posture::read(pid.as_raw_nonzero().get(), &host.namespaces).ok());
        let (sandbox, step, stages) = (self.id, exec.asked.step, self.watch.take());
        out.push((Event::Started { sandbox, step, layers, posture, stages }, Vec::new()));
        Ok(())
    }

    /// The program could not be executed.
    fn refuse(&mut self, errno: i32, out: &mut Outgoing) -> Result<(), Failure> {
        let asked = self.exec.take().ok_or(Failure::new(Step::InitChannel, libc::EPROTO))?.asked;
        if asked.last {
            self.refused = Some((asked.step, errno));
            return self.die();
        }
        self.check_alone()?;
        (self.state, self.deadline) = (State::Limited, None);
        out.push((Event::ExecFailed { sandbox: self.id, step: asked.step, errno }, Vec::new()));
        Ok(())
    }

    /// The main program ended by itself (which, when we are killing already, is only noted).
    fn exited(&mut self, status: ExitStatus, at: u64) -> Result<(), Failure> {
        let Some(exec) = &mut self.exec else { return Ok(()) };
        exec.exited(status, at, self.parts.leaf()?)?;
        if exec.asked.last || exec.is_concluded() {
            return self.end(Cause::Exit);
        }
        (self.state, self.deadline) = (State::Clearing, Some(after(DEATH_PATIENCE)));
        self.parts.init()?.order(&Order::Clear, &[])
    }

    /// Everything of a program that was not the last one is dead.
    fn cleared(&mut self, out: &mut Outgoing) -> Result<(), Failure> {
        let Some(exec) = &self.exec else { return Ok(()) };
        let leaf = self.parts.leaf()?;
        if exec.oom_killed(leaf)? || self.sockets.as_ref().map_or(Ok(false), |sockets| sockets.peaked(leaf))? {
            return self.end(Cause::Memory);
        }
        self.conclude(Cause::Exit)?;
        self.check_alone()?;
        (self.state, self.deadline) = (State::Limited, None);
        self.tell_end(out);
        Ok(())
    }

    /// Out of memory before the program could be executed is the job's limit; anything else is our failure.
    fn init_failed(&mut self, failure: Failure) -> Result<(), Failure> {
        match &self.exec {
            Some(exec) if exec.oom_killed(self.parts.leaf()?)? => self.end(Cause::Memory),
            _ => Err(failure),
        }
    }

    /// Before and between programs of a sandbox init is in its leaf, and alone.
    fn check_alone(&self) -> Result<(), Failure> {
        let init = self.parts.init()?.pid.as_raw_nonzero().get();
        if !self.parts.leaf()?.knows_members() || leave_out::is(Part::AloneBetweenSteps) {
            return Ok(());
        }
        match self.parts.leaf()?.members().at(Step::Evidence)? {
            members if members == [init] => Ok(()),
            _ => Err(Failure::new(Step::Quarantine, libc::EBUSY)),
        }
    }
}
