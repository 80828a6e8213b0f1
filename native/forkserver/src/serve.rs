//! The forkserver's loop: one thread that waits for the library, for every sandbox, and for the next deadline.

use crate::channel::{self, Outbox, Received};
use crate::clock::{after, boottime};
use crate::exec::Asked;
use crate::host::Host;
use crate::pin::Pin;
use crate::sandbox::{Outgoing, Sandbox};
use crate::step::{At, Failure, Step};
use crate::sys::landlock_abi;
use crate::tenure::Tenure;
use forkserver::wire::{Event, MAX_PACKET, Request, VERSION};
use leave_out::Part;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
/// Longest time for removing what is left when the library has gone. What isn't dead by then dies with this process.
const CLEAR_UP: Duration = Duration::from_millis(800);

/// Why the loop ended.
enum Over {
    /// The library has gone: the worker closed, or died.
    LibraryGone,
    /// The library sent something that is not of the protocol.
    Protocol,
    Broken(Failure),
}

impl From<Failure> for Over {
    fn from(failure: Failure) -> Over {
        Over::Broken(failure)
    }
}

/// What became ready.
#[derive(Clone, Copy)]
enum Source {
    Control,
    Timer,
    Report(u64),
    InitDeath(u64),
    Alarm(u64),
    ClerkDeath(u64),
}

/// Serves one library until it goes away; `Err` says what was wrong with it, or with us.
pub fn serve(control: OwnedFd, pin: Pin) -> Result<(), Failure> {
    let mut buffer = vec![0; MAX_PACKET];
    let host = match greet(&control, pin, &mut buffer) {
        Ok(Some(host)) => host,
        Ok(None) => return Ok(()),
        Err(failure) => return refuse(&control, failure),
    };
    let timer =
        timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK).at(Step::EventLoop)?;
    let mut server =
        Server { control, timer, host, sandboxes: BTreeMap::new(), outbox: Outbox::new(), buffer, closing: false };
    let over = loop {
        if let Err(over) = server.turn() {
            break over;
        }
    };
    server.close();
    match over {
        Over::LibraryGone => Ok(()),
        Over::Protocol => refuse(&server.control, Failure::new(Step::Request, libc::EBADMSG)),
        Over::Broken(failure) => refuse(&server.control, failure),
    }
}

/// Waits for `Hello` and sets up what all sandboxes share; `None` when the library went away before.
fn greet(control: &OwnedFd, pin: Pin, buffer: &mut [u8]) -> Result<Option<Host>, Failure> {
    let (version, plan) = match channel::receive(control, buffer, RecvFlags::empty()).at(Step::ControlSocket)? {
        Received::Message(Request::Hello { version, host }, _) => (version, host),
        Received::End => return Ok(None),
        _ => return Err(Failure::new(Step::Request, libc::EBADMSG)),
    };
    if version != VERSION {
        return Err(Failure::new(Step::Version, libc::EPROTO).about(format!("{version}, here {VERSION}")));
    }
    pin.check(&plan)?;
    let landlock_abi = landlock_abi().at(Step::Landlock)?;
    let host = Host::open(plan)?;
    pin.keep(&host.plan)?;
    channel::send(control, &Event::Ready { version: VERSION, landlock_abi }, &[], SendFlags::empty())
        .at(Step::ControlSocket)?;
    Ok(Some(host))
}

/// Tells the library why this process can't serve it. It speaks first, and what it has said must have been read: else its answer is lost
/// with the connection.
pub fn decline(control: &OwnedFd, failure: Failure) -> Result<(), Failure> {
    let mut buffer = vec![0; MAX_PACKET];
    let _ = channel::receive::<Request>(control, &mut buffer, RecvFlags::empty());
    refuse(control, failure)
}

/// Tells the library, if it is there, and our caller.
fn refuse(control: &OwnedFd, failure: Failure) -> Result<(), Failure> {
    let event = Event::Refused { error: failure.clone().into() };
    let _ = channel::send(control, &event, &[], SendFlags::DONTWAIT);
    Err(failure)
}

struct Server {
    control: OwnedFd,
    timer: OwnedFd,
    host: Host,
    sandboxes: BTreeMap<u64, Sandbox>,
    outbox: Outbox,
    buffer: Vec<u8>,
    /// Nobody is listened to any more: all that is left to do is to clear up.
    closing: bool,
}

impl Server {
    /// Waits once and handles everything that came.
    fn turn(&mut self) -> Result<(), Over> {
        self.arm_timer()?;
        let mut out = Outgoing::new();
        for source in self.wait()? {
            self.handle(source, &mut out)?;
        }
        for sandbox in self.sandboxes.values_mut() {
            sandbox.tick(&self.host, &mut out);
        }
        self.forget_gone();
        if self.closing { Ok(()) } else { self.deliver(out) }
    }

    fn arm_timer(&self) -> Result<(), Failure> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let next = self.sandboxes.values().filter_map(Sandbox::next_tick).min();
        // Zero would disarm it.
        let value = next
            .map_or(zero, |at| Timespec { tv_sec: (at.max(1) / SECOND) as i64, tv_nsec: (at.max(1) % SECOND) as i64 });
        let spec = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec).map(drop).at(Step::EventLoop)
    }

    /// Blocks until something is ready. For one sandbox what init says comes before its death.
    fn wait(&self) -> Result<Vec<Source>, Failure> {
        let mut sources = vec![Source::Timer];
        let mut fds = vec![PollFd::new(&self.timer, PollFlags::IN)];
        if !self.closing {
            let mut interest = PollFlags::IN;
            interest.set(PollFlags::OUT, !self.outbox.is_empty());
            sources.push(Source::Control);
            fds.push(PollFd::new(&self.control, interest));
        }
        for (id, sandbox) in &self.sandboxes {
            let (init, alarm) = (sandbox.parts().init.as_ref(), sandbox.parts().alarm.as_ref());
            let watched = [
                (Source::Report(*id), init.and_then(|init| init.socket.as_ref()), PollFlags::IN),
                (Source::InitDeath(*id), init.map(|init| &init.pidfd), PollFlags::IN),
                (Source::Alarm(*id), alarm.map(|alarm| &alarm.fd), alarm.map_or(PollFlags::empty(), |it| it.interest)),
                (Source::ClerkDeath(*id), sandbox.clerk().map(|clerk| &clerk.pidfd), PollFlags::IN),
            ];
            for (source, fd, interest) in watched.into_iter().filter_map(|(source, fd, to)| Some((source, fd?, to))) {
                sources.push(source);
                fds.push(PollFd::new(fd, interest));
            }
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).at(Step::EventLoop),
        }
        Ok(sources.into_iter().zip(fds).filter(|(_, fd)| !fd.revents().is_empty()).map(|(source, _)| source).collect())
    }

    fn handle(&mut self, source: Source, out: &mut Outgoing) -> Result<(), Over> {
        match source {
            Source::Control => self.read_requests(out)?,
            Source::Timer => {
                // Only to clear it: every turn looks at all deadlines.
                let _ = rustix::io::read(&self.timer, &mut [0; 8]);
            }
            Source::Report(id) => {
                if let Some(sandbox) = self.sandboxes.get_mut(&id) {
                    sandbox.on_report(&self.host, &mut self.buffer, out);
                }
            }
            Source::InitDeath(id) => {
                if let Some(sandbox) = self.sandboxes.get_mut(&id) {
                    sandbox.on_init_death(&self.host, &mut self.buffer, out);
                }
            }
            Source::ClerkDeath(id) => {
                if let Some(sandbox) = self.sandboxes.get_mut(&id) {
                    sandbox.on_clerk_death(&self.host, out);
                }
            }
            Source::Alarm(id) => {
                if let Some(sandbox) = self.sandboxes.get_mut(&id) {
                    sandbox.on_alarm(out);
                }
            }
        }
        Ok(())
    }

    fn read_requests(&mut self, out: &mut Outgoing) -> Result<(), Over> {
        loop {
            match channel::receive(&self.control, &mut self.buffer, RecvFlags::DONTWAIT).at(Step::ControlSocket)? {
                Received::Message(request, fds) => self.obey(request, fds, out)?,
                Received::Nothing => return Ok(()),
                Received::End => return Err(Over::LibraryGone),
                Received::Malformed => return Err(Over::Protocol),
            }
        }
    }

    fn obey(&mut self, request: Request, fds: Vec<OwnedFd>, out: &mut Outgoing) -> Result<(), Over> {
        let host = &self.host;
        match request {
            Request::Hello { .. } => return Err(Over::Protocol),
            Request::Provision { sandbox, plan } if !self.is_free(sandbox, plan.slot) => {
                out.push(refused(sandbox, libc::EEXIST));
            }
            Request::Provision { sandbox, plan } => {
                let made = Sandbox::provision(sandbox, &plan, host, out);
                self.sandboxes.insert(sandbox, made);
            }
            Request::Claim { sandbox, limits, tenure_until_ms } => {
                let tenure = tenure_until_ms.map(Tenure::until_ms);
                self.with(sandbox, out, |it, host, out| it.claim(&limits, tenure, host, out));
            }
            // As with a kill: it may be over.
            Request::Tenure { sandbox, until_ms } => {
                if let Some(it) = self.sandboxes.get_mut(&sandbox) {
                    it.extend_tenure(until_ms);
                }
            }
            Request::Clerk { sandbox, task } => self.with(sandbox, out, |it, _, out| it.send_clerk(task, fds, out)),
            Request::Exec { sandbox, step, last, wall_time_ms, cpu_time_ms, report_posture } => {
                let (wall, cpu) = (wall_time_ms.saturating_mul(MILLISECOND), cpu_time_ms.saturating_mul(MILLISECOND));
                let asked = Asked { step, last, wall, cpu, report_posture };
                self.with(sandbox, out, |it, _, out| it.run(asked, &fds, out));
            }
            // It may just have ended: then there is nothing to kill, and nothing to say.
            Request::Kill { sandbox, cause } => {
                if let Some(it) = self.sandboxes.get_mut(&sandbox) {
                    it.kill(cause, out);
                }
            }
            Request::Deprovision { sandbox } => self.with(sandbox, out, |it, host, out| it.deprovision(host, out)),
        }
        Ok(())
    }

    fn forget_gone(&mut self) {
        self.sandboxes.retain(|_, sandbox| !sandbox.is_gone());
    }

    /// Two sandboxes with one uid could signal each other.
    fn is_free(&self, id: u64, slot: u32) -> bool {
        let is_apart = |sandbox: &Sandbox| sandbox.slot() != slot || leave_out::is(Part::SlotFree);
        !self.sandboxes.contains_key(&id) && self.sandboxes.values().all(is_apart)
    }

    fn with(&mut self, id: u64, out: &mut Outgoing, act: impl FnOnce(&mut Sandbox, &Host, &mut Outgoing)) {
        match self.sandboxes.get_mut(&id) {
            Some(sandbox) => act(sandbox, &self.host, out),
            None => out.push(refused(id, libc::ENOENT)),
        }
    }

    fn deliver(&mut self, out: Outgoing) -> Result<(), Over> {
        for (event, fds) in out {
            self.outbox.push(&event, fds).map_err(|_| Over::LibraryGone)?;
        }
        self.outbox.flush(&self.control).map_err(|_| Over::LibraryGone)
    }

    /// Kills and removes everything; what there is to say about it nobody hears.
    fn close(&mut self) {
        self.closing = true;
        let mut nobody = Outgoing::new();
        for sandbox in self.sandboxes.values_mut() {
            sandbox.deprovision(&self.host, &mut nobody);
        }
        self.forget_gone();
        let patience = after(CLEAR_UP);
        while !self.sandboxes.is_empty() && boottime() < patience && self.turn().is_ok() {}
        self.host.hierarchies.close();
        self.host.roots.close();
    }
}

fn refused(sandbox: u64, errno: i32) -> (Event, Vec<OwnedFd>) {
    let error = Failure::new(Step::Request, errno).about(format!("sandbox {sandbox}")).into();
    (Event::Failed { sandbox, error }, Vec::new())
}
