//! One sandbox as the forkserver sees it: a plain struct and a named state.
//!
//! A sandbox starts *building*: its parts are made, and init builds the place. When init reports, it is *ready*; the job's limits
//! make it *limited*. An order to run makes it *starting*, and a program that was executed *running*. When that ends by itself and
//! was not the last one, everything of it is dead and the sandbox is *limited* again.
//!
//! From any of these it may start *dying*: the last program ended, a limit was hit, somebody asked for it, or init died by
//! itself. Init gets SIGKILL, and with it the kernel kills its whole pid namespace. When init is reaped it is *emptying*
//! until its leaf has no member; only then are the counters read and the end reported, and it is *dead*. A dead sandbox that is no
//! longer wanted is *removing* its leaf, and *gone* when the kernel let it.
//!
//! The first cause of an end is the one that counts. Every state that waits for something has a deadline, so nothing hangs.

use crate::channel::{self, Received};
use crate::clock::{Stopwatch, after, boottime};
use crate::exec::{Asked, Exec};
use crate::host::Host;
use crate::limits;
use crate::posture;
use crate::provision::{self, Parts};
use crate::report::{Executing, Order, Report};
use crate::step::{At, Failure, Step};
use forkserver::wire::{Cause, ClaimLimits, Event, ExitStatus, Layer, SandboxPlan};
use rustix::fs::{FileType, Gid, Uid, fchown, fstat};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::{Signal, WaitOptions, pidfd_send_signal, waitpid};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// For each wait on our own set-up work, and on the kernel to finish a kill.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon to look again whether a leaf is empty or can be removed.
const RETRY: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Building,
    Ready,
    Limited,
    Starting,
    Running,
    Dying,
    Emptying,
    Dead,
    Removing,
    Gone,
}

/// Events for the library, with the descriptors that they carry.
pub type Outgoing = Vec<(Event, Vec<OwnedFd>)>;

pub struct Sandbox {
    id: u64,
    slot: u32,
    uid: u32,
    state: State,
    parts: Parts,
    exec: Option<Exec>,
    /// CPUs that the job may use at once, for guessing how soon its CPU time can be used up.
    cpus: f64,
    /// An exec that failed as the last one (its step, errno): said when all is dead.
    refused: Option<(u32, i32)>,
    /// By when the state must have changed.
    deadline: Option<u64>,
    /// When to look again, in states that wait for the kernel.
    retry: Option<u64>,
    /// The library is done with it: remove it when it is dead.
    unwanted: bool,
    watch: Stopwatch,
}

impl Sandbox {
    /// Makes the parts; [`Event::Provisioned`] follows when init has built the place.
    pub fn provision(id: u64, plan: &SandboxPlan, host: &Host, out: &mut Outgoing) -> Sandbox {
        let mut sandbox = Sandbox {
            id,
            slot: plan.slot,
            uid: 0,
            state: State::Building,
            parts: Parts::default(),
            exec: None,
            cpus: host.cpus,
            refused: None,
            deadline: Some(after(PATIENCE)),
            retry: None,
            unwanted: false,
            watch: Stopwatch::start(),
        };
        let made = host.uid(plan).and_then(|uid| {
            sandbox.uid = uid;
            provision::provision(&mut sandbox.parts, id, plan, host, &mut sandbox.watch)
        });
        sandbox.settle(made, out);
        sandbox
    }

    /// Sets the job's limits.
    pub fn claim(&mut self, limits: &ClaimLimits, host: &Host, out: &mut Outgoing) {
        let claimed = self.try_claim(limits, host, out);
        self.settle(claimed, out);
    }

    fn try_claim(&mut self, limits: &ClaimLimits, host: &Host, out: &mut Outgoing) -> Result<(), Failure> {
        self.expect(State::Ready)?;
        self.watch.restart();
        limits::apply(self.parts.leaf()?, limits)?;
        self.parts.workspace()?.limit(limits.disk_bytes, limits.inodes)?;
        self.watch.lap("claim");
        self.cpus = host.cpus.min(limits.cpu_millis as f64 / 1000.0);
        self.state = State::Limited;
        out.push((Event::Claimed { sandbox: self.id }, Vec::new()));
        Ok(())
    }

    /// Orders init to run a program; `fds` are the document, stdin, stdout and stderr.
    pub fn run(&mut self, asked: Asked, fds: &[OwnedFd], out: &mut Outgoing) {
        let ordered = self.try_run(asked, fds);
        self.settle(ordered, out);
    }

    fn try_run(&mut self, asked: Asked, fds: &[OwnedFd]) -> Result<(), Failure> {
        self.expect(State::Limited)?;
        let [_, stdio @ ..] = fds else { return Err(Failure::new(Step::Request, libc::EBADF)) };
        if stdio.len() != 3 {
            return Err(Failure::new(Step::Request, libc::EBADF));
        }
        for fd in stdio {
            give_pipe(fd, self.uid)?;
        }
        let order = Order::Run { last: asked.last };
        self.exec = Some(Exec::begin(asked, self.parts.leaf()?)?);
        self.state = State::Starting;
        self.deadline = Some(after(PATIENCE));
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        self.parts.init()?.order(&order, &fds)
    }

    /// Ends whatever runs, for the library's reason. Nothing runs: the sandbox is dead all the same.
    pub fn kill(&mut self, cause: Cause, out: &mut Outgoing) {
        let ended = self.end(cause);
        self.settle(ended, out);
    }

    /// Removes the sandbox, ending what still runs.
    pub fn deprovision(&mut self, host: &Host, out: &mut Outgoing) {
        self.unwanted = true;
        match self.state {
            State::Dead => self.remove(host, out),
            State::Dying | State::Emptying | State::Removing | State::Gone => {}
            _ => self.kill(Cause::Abandoned, out),
        }
    }

    /// Whose uid it has: nobody else may have it meanwhile.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Is there nothing left of it?
    pub fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The next moment at which [`Sandbox::tick`] has something to do.
    pub fn next_tick(&self) -> Option<u64> {
        let look = if self.is_in_exec() { self.exec.as_ref().and_then(Exec::next_look) } else { None };
        [self.deadline, self.retry, look].into_iter().flatten().min()
    }

    /// Looks at limits and deadlines.
    pub fn tick(&mut self, host: &Host, out: &mut Outgoing) {
        let looked = self.look();
        self.settle(looked, out);
        let now = boottime();
        if self.retry.is_some_and(|retry| retry <= now) {
            self.advance(host, out);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up(out);
        }
    }

    /// The kernel is about to kill for memory in the leaf.
    pub fn on_oom(&mut self, out: &mut Outgoing) {
        let mut count = [0; 8];
        if let Some(oom) = &self.parts.oom {
            // Only to clear it: what counts is in the leaf.
            let _ = rustix::io::read(oom, &mut count);
        }
        if let Some(exec) = &mut self.exec {
            exec.expect_oom_kill();
        }
        let looked = self.look();
        self.settle(looked, out);
    }

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
            let cause = match &mut self.exec {
                Some(_) => self.conclude(Cause::InitDied),
                None => Err(Failure::new(Step::InitDied, libc::ESRCH)),
            };
            self.settle(cause, out);
        }
        // Its pidfd is readable: this does not block.
        let reaped = waitpid(Some(init.pid), WaitOptions::NOHANG).map(drop).at(Step::Wait);
        self.settle(reaped, out);
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
            (State::Starting, Report::Running { at, layers, stages }) => {
                self.watch.add(stages);
                let pidfd = fds.pop().ok_or(Failure::new(Step::InitChannel, libc::EBADF))?;
                self.become_running((at, pidfd), layers, host, out)
            }
            (State::Starting, Report::ExecFailed { errno }) => self.refuse(errno, out),
            (State::Running | State::Dying, Report::Exited { status, at, wait }) => {
                self.exited((status, at, wait), out)
            }
            (State::Dying, _) => Ok(()),
            (_, Report::Failed { failure }) => self.init_failed(failure),
            _ => Err(Failure::new(Step::InitChannel, libc::EPROTO)),
        }
    }

    fn become_ready(&mut self, host: &Host, out: &mut Outgoing) -> Result<(), Failure> {
        let layers = provision::layers(&self.parts, self.uid, host)?;
        let root = self.parts.workspace()?.root.try_clone().at(Step::Workspace)?;
        (self.state, self.deadline) = (State::Ready, None);
        let (sandbox, uid, gid, stages) = (self.id, self.uid, self.uid, self.watch.take());
        out.push((Event::Provisioned { sandbox, uid, gid, layers, stages }, vec![root]));
        Ok(())
    }

    fn become_running(
        &mut self,
        (at, pidfd): (Executing, OwnedFd),
        layers: Vec<Layer>,
        host: &Host,
        out: &mut Outgoing,
    ) -> Result<(), Failure> {
        let exec = self.exec.as_mut().ok_or(Failure::new(Step::InitChannel, libc::EPROTO))?;
        exec.started(at, pidfd);
        (self.state, self.deadline) = (State::Running, None);
        let wanted = exec.asked.report_posture.then(|| exec.program()).flatten();
        // It may be over already: then there is nothing to look at.
        let posture = wanted.and_then(|pid| posture::read(pid.as_raw_nonzero().get(), &host.namespaces).ok());
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
    fn exited(&mut self, (status, at, wait): (ExitStatus, u64, u64), out: &mut Outgoing) -> Result<(), Failure> {
        let Some(exec) = &mut self.exec else { return Ok(()) };
        exec.exited(status, at, wait);
        let goes_on = !exec.asked.last && !exec.is_concluded() && !exec.oom_killed(self.parts.leaf()?)?;
        self.conclude(Cause::Exit)?;
        if !goes_on {
            return self.die();
        }
        self.check_alone()?;
        self.state = State::Limited;
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

    fn look(&mut self) -> Result<(), Failure> {
        if !self.is_in_exec() {
            return Ok(());
        }
        let leaf = self.parts.leaf()?;
        match &mut self.exec {
            Some(exec) => match exec.look(leaf, self.cpus)? {
                Some(cause) => self.end(cause),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn end(&mut self, cause: Cause) -> Result<(), Failure> {
        self.conclude(cause)?;
        self.die()
    }

    fn conclude(&mut self, cause: Cause) -> Result<(), Failure> {
        match &mut self.exec {
            Some(exec) => exec.conclude(cause, self.parts.workspace()?),
            None => Ok(()),
        }
    }

    /// Kills init; the kernel kills the rest of the pid namespace with it.
    fn die(&mut self) -> Result<(), Failure> {
        if self.is_ending() {
            return Ok(());
        }
        self.watch.restart();
        self.deadline = Some(after(PATIENCE));
        let Some(init) = &self.parts.init else {
            (self.state, self.retry) = (State::Emptying, Some(boottime()));
            return Ok(());
        };
        self.state = State::Dying;
        match pidfd_send_signal(&init.pidfd, Signal::KILL) {
            // Dead already: its pidfd says so too.
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(errno) => Err(errno).at(Step::Quarantine),
        }
    }

    /// An own failure ends the sandbox, and is told at once.
    fn settle(&mut self, result: Result<(), Failure>, out: &mut Outgoing) {
        let Err(failure) = result else { return };
        self.exec = None;
        self.refused = None;
        out.push((Event::Failed { sandbox: self.id, error: failure.into() }, Vec::new()));
        // That killing fails too is found by the deadline.
        let _ = self.die();
    }

    /// The kernel may have finished what this state waits for.
    fn advance(&mut self, host: &Host, out: &mut Outgoing) {
        self.retry = None;
        match self.state {
            State::Emptying => self.finish(host, out),
            State::Removing => self.try_remove(host, out),
            _ => {}
        }
    }

    fn finish(&mut self, host: &Host, out: &mut Outgoing) {
        let members = self.parts.leaf.as_ref().map_or(Ok(Vec::new()), |leaf| leaf.members().at(Step::Evidence));
        match members {
            Ok(members) if !members.is_empty() => {
                self.retry = Some(after(RETRY));
                return;
            }
            Ok(_) => {}
            Err(failure) => self.settle(Err(failure), out),
        }
        (self.state, self.deadline) = (State::Dead, None);
        self.tell_end(out);
        self.watch.lap("evidence");
        if self.unwanted {
            self.remove(host, out);
        }
    }

    /// Everything of the exec is dead: says how it ended.
    fn tell_end(&mut self, out: &mut Outgoing) {
        if let Some((step, errno)) = self.refused.take() {
            out.push((Event::ExecFailed { sandbox: self.id, step, errno }, Vec::new()));
        }
        let Some(exec) = self.exec.take() else { return };
        match self.parts.leaf().and_then(|leaf| exec.evidence(leaf)) {
            Ok(evidence) => out.push((Event::Ended { sandbox: self.id, step: exec.asked.step, evidence }, Vec::new())),
            Err(failure) => self.settle(Err(failure), out),
        }
    }

    fn remove(&mut self, host: &Host, out: &mut Outgoing) {
        (self.state, self.deadline) = (State::Removing, Some(after(PATIENCE)));
        self.watch.restart();
        (self.parts.workspace, self.parts.oom) = (None, None);
        self.try_remove(host, out);
    }

    fn try_remove(&mut self, host: &Host, out: &mut Outgoing) {
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
    fn leave_leaf(&mut self, errno: i32, out: &mut Outgoing) {
        let error = Failure::new(Step::RemoveLeaf, errno).into();
        out.push((Event::Failed { sandbox: self.id, error }, Vec::new()));
        self.state = State::Gone;
    }

    /// The deadline of a state has passed.
    fn give_up(&mut self, out: &mut Outgoing) {
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

    /// Before and between programs of a sandbox init is in its leaf, and alone.
    fn check_alone(&self) -> Result<(), Failure> {
        let init = self.parts.init()?.pid.as_raw_nonzero().get();
        match self.parts.leaf()?.members().at(Step::Evidence)? {
            members if members == [init] => Ok(()),
            _ => Err(Failure::new(Step::Quarantine, libc::EBUSY)),
        }
    }

    fn expect(&self, state: State) -> Result<(), Failure> {
        if self.state == state {
            return Ok(());
        }
        Err(Failure::new(Step::Request, libc::EPROTO).about(format!("in state {:?}", self.state)))
    }

    fn is_in_exec(&self) -> bool {
        matches!(self.state, State::Starting | State::Running)
    }

    fn is_ending(&self) -> bool {
        matches!(self.state, State::Dying | State::Emptying | State::Dead | State::Removing | State::Gone)
    }
}

/// A pipe that root made can't be opened again by the job (`/dev/stdout`) unless it belongs to the job.
fn give_pipe(fd: &OwnedFd, id: u32) -> Result<(), Failure> {
    let stat = fstat(fd).at(Step::ChownPipe)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
        return Ok(());
    }
    fchown(fd, Some(Uid::from_raw(id)), Some(Gid::from_raw(id))).at(Step::ChownPipe)
}
