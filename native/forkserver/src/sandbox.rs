//! One sandbox as the forkserver sees it: a plain struct and a named state.
//!
//! A sandbox starts *building*: its parts are made, and init builds the place. When init reports, it is *ready*; the job's limits
//! make it *limited*. An order to run makes it *starting*, and a program that was executed *running*. When that ends by itself and
//! was not the last one, it is *clearing* until init has killed everything else of it; then the sandbox is *limited* again.
//!
//! From any of these it may start *dying*: the last program ended, a limit was hit, somebody asked for it, or init died by
//! itself. Init gets SIGKILL, and with it the kernel kills its whole pid namespace. When init is reaped it is *emptying*
//! until its leaf has no member; only then are the counters read and the end reported, and it is *dead*. A dead sandbox that is no
//! longer wanted is *removing* its leaf, and *gone* when the kernel let it.
//!
//! The first cause of an end is the one that counts. Every state that waits for something has a deadline, so nothing hangs.

mod clerk;
mod death;
mod reports;
mod tenure;

use crate::clerk::Clerk;
use crate::clock::{Stopwatch, after, boottime};
use crate::exec::{Asked, Exec};
use crate::host::Host;
use crate::hostpaths::{Refusal, Unmade};
use crate::ids::Ids;
use crate::layers;
use crate::limits;
use crate::provision::{self, Parts};
use crate::report::Order;
use crate::sockets::Sockets;
use crate::step::{At, Failure, Step};
use crate::tenure::Tenure;
use forkserver::wire::{Cause, ClaimLimits, Event, START_PATIENCE, SandboxPlan};
use leave_out::Part;
use rustix::fs::{Gid, Uid, fchown, fstatfs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// For building the place, which no job's limits hold up.
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
    Clearing,
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
    /// Not known until the plan was looked at.
    ids: Option<Ids>,
    state: State,
    parts: Parts,
    exec: Option<Exec>,
    /// A program of the job's was ordered.
    has_run: bool,
    clerk: Option<Clerk>,
    /// None: it needs nobody's word.
    tenure: Option<Tenure>,
    /// The stream of a clerk that goes when all is dead.
    awaiting_death: Option<OwnedFd>,
    /// It has a network of its own.
    loopback: bool,
    sockets: Option<Sockets>,
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
            ids: None,
            state: State::Building,
            parts: Parts::default(),
            exec: None,
            has_run: false,
            clerk: None,
            tenure: None,
            awaiting_death: None,
            loopback: plan.loopback,
            sockets: None,
            cpus: host.cpus,
            refused: None,
            deadline: Some(after(PATIENCE)),
            retry: None,
            unwanted: false,
            watch: Stopwatch::start(),
        };
        sandbox.ids = host.ids(plan).ok();
        match provision::provision(&mut sandbox.parts, id, plan, host, &mut sandbox.watch) {
            Ok(()) => {}
            Err(Unmade::Failed(failure)) => sandbox.settle(Err(failure), out),
            Err(Unmade::Refused(Refusal { index, rule })) => {
                out.push((Event::PathRefused { sandbox: id, path: index, rule }, Vec::new()));
                let died = sandbox.die();
                sandbox.settle(died, out);
            }
        }
        sandbox
    }

    /// Sets the job's limits, and how long it may go on for now.
    pub fn claim(&mut self, limits: &ClaimLimits, tenure: Option<Tenure>, host: &Host, out: &mut Outgoing) {
        if self.tenure.is_none() {
            self.tenure = tenure;
        }
        if self.refuses_as_lapsed(out) {
            return;
        }
        let claimed = self.try_claim(limits, host, out);
        self.settle(claimed, out);
    }

    fn try_claim(&mut self, limits: &ClaimLimits, host: &Host, out: &mut Outgoing) -> Result<(), Failure> {
        self.expect(State::Ready)?;
        self.watch.restart();
        limits::apply(self.parts.leaf()?, limits)?;
        if self.loopback {
            self.sockets = Some(Sockets::limit(self.parts.leaf()?, limits.memory_bytes)?);
        }
        let quota = self.parts.workspace()?.limit(limits.disk_bytes, limits.inodes)?;
        self.watch.lap("claim");
        self.cpus = host.cpus.min(limits.cpu_millis as f64 / 1000.0);
        self.state = State::Limited;
        let layers = layers::of_limits(self.parts.leaf()?, quota);
        out.push((Event::Claimed { sandbox: self.id, layers }, Vec::new()));
        Ok(())
    }

    /// Orders init to run a program; `fds` are the document, stdin, stdout and stderr.
    pub fn run(&mut self, asked: Asked, fds: &[OwnedFd], out: &mut Outgoing) {
        if self.refuses_as_lapsed(out) {
            return;
        }
        let ordered = self.try_run(asked, fds);
        self.settle(ordered, out);
    }

    fn try_run(&mut self, asked: Asked, fds: &[OwnedFd]) -> Result<(), Failure> {
        self.expect(State::Limited)?;
        self.expect_no_clerk()?;
        self.has_run = true;
        let [_, stdio @ ..] = fds else { return Err(Failure::new(Step::Request, libc::EBADF)) };
        if stdio.len() != 3 {
            return Err(Failure::new(Step::Request, libc::EBADF));
        }
        for fd in stdio {
            give_pipe(fd, self.ids()?)?;
        }
        let order = Order::Run { tasks: self.parts.leaf()?.tasks.rlimit() };
        self.exec = Some(Exec::begin(asked, self.parts.leaf()?)?);
        if let Some(sockets) = &self.sockets {
            sockets.begin(self.parts.leaf()?)?;
        }
        (self.state, self.deadline) = (State::Starting, Some(after(START_PATIENCE)));
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

    pub fn clerk(&self) -> Option<&Clerk> {
        self.clerk.as_ref()
    }

    /// The next moment at which [`Sandbox::tick`] has something to do.
    pub fn next_tick(&self) -> Option<u64> {
        let clerk = self.clerk.as_ref().map(|clerk| clerk.deadline);
        [self.deadline, self.retry, self.next_look(), clerk, self.tenure.as_ref().and_then(Tenure::end)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks at limits and deadlines.
    pub fn tick(&mut self, host: &Host, out: &mut Outgoing) {
        self.look_at_tenure(out);
        let now = boottime();
        if self.next_look().is_some_and(|look| look <= now) {
            let looked = self.look();
            self.settle(looked, out);
        }
        if self.retry.is_some_and(|retry| retry <= now) {
            self.advance(host, out);
        }
        self.hurry_clerk();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up(out);
        }
    }

    /// Memory is short in the leaf.
    pub fn on_alarm(&mut self, out: &mut Outgoing) {
        if let Some(alarm) = &self.parts.alarm {
            alarm.clear();
            if let Some(exec) = self.exec.as_mut().filter(|_| alarm.is_early) {
                exec.expect_oom_kill();
            }
        }
        let looked = self.look();
        self.settle(looked, out);
    }

    fn next_look(&self) -> Option<u64> {
        let look = self.exec.as_ref().filter(|_| self.is_in_exec()).and_then(Exec::next_look)?;
        Some(self.sockets.as_ref().map_or(look, |sockets| look.min(sockets.next_look())))
    }

    fn look(&mut self) -> Result<(), Failure> {
        if !self.is_in_exec() {
            return Ok(());
        }
        let leaf = self.parts.leaf()?;
        let Some(exec) = &mut self.exec else { return Ok(()) };
        if let Some(cause) = exec.look(leaf, self.cpus)? {
            return self.end(cause);
        }
        match (&mut self.sockets, &self.parts.init) {
            (Some(sockets), Some(init)) => match sockets.look(leaf, init.pid)? {
                true => self.end(Cause::Memory),
                false => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn ids(&self) -> Result<Ids, Failure> {
        self.ids.ok_or(Failure::new(Step::Request, libc::EUSERS))
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

/// A pipe of another user's can't be opened again by the job (`/dev/stdout`) unless it belongs to the job. A named one stays its owner's.
fn give_pipe(fd: &OwnedFd, ids: Ids) -> Result<(), Failure> {
    /// `PIPEFS_MAGIC`.
    const PIPES: i64 = 0x5049_5045;
    if fstatfs(fd).at(Step::ChownPipe)?.f_type != PIPES || leave_out::is(Part::PipeOwner) {
        return Ok(());
    }
    fchown(fd, Some(Uid::from_raw(ids.uid)), Some(Gid::from_raw(ids.gid))).at(Step::ChownPipe)
}
