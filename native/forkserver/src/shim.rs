//! The shim: waits for the forkserver, watches the worker, and starts another forkserver when the worker asks for one.
//!
//! A worker that has given up its privileges can't start a forkserver itself. On the orders socket, which it got before, it can ask
//! the shim for exactly two things: to kill the forkserver, and to start one (in place of one that still lives) with the control socket
//! that comes along. Nothing else is read from it, and whatever it tells that forkserver then, the plan is the first one's (`pin.rs`).

use crate::clock::{after, boottime};
use crate::pin::Pin;
use crate::step::{At, Failure, Step};
use crate::sys::{self, Cloned};
use forkserver::wire::{Notice, ShimOrder};
use leave_out::Part;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketType, sockopt::socket_type};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
    waitpid,
};
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::channel::{self, Received};

/// How long the forkserver may clean up after its worker died before the shim gives up on it.
const ORPHAN_GRACE: Duration = Duration::from_millis(1000);
/// Shortest time between two starts.
const PAUSE: Duration = Duration::from_millis(100);
/// An order is a few bytes.
const ORDER: usize = 256;

/// Forks: the child returns with its control socket and what it may be told there, as PID 1 of a new pid namespace; the parent stays as
/// the shim and never returns.
pub fn split(control: OwnedFd, orders: Option<OwnedFd>) -> Result<(OwnedFd, Pin), Failure> {
    let parent = getppid().ok_or(Failure::new(Step::PidNamespace, libc::ESRCH))?;
    let worker = pidfd_open(parent, PidfdFlags::empty()).at(Step::PidNamespace)?;
    let mut shim = Shim { worker, orders, pin: Pin::new()?, forkserver: None, pause: 0 };
    if shim.start()? {
        return Ok((control, shim.pin));
    }
    shim.pin.pass_on();
    // Its end of the socket must close when the forkserver dies.
    drop(control);
    // Its life is the worker's: a signal for the whole group (Ctrl-C, a service manager's stop) starts the worker's drain,
    // and must not end what is being drained.
    sys::ignore_stop_signals();
    match shim.stand_by() {
        Next::End(status) => sys::exit_now(status),
        Next::Become(control, pin) => Ok((control, pin)),
    }
}

/// What is left to do.
enum Next {
    End(i32),
    /// Only in a new child: be the forkserver.
    Become(OwnedFd, Pin),
}

struct Shim {
    /// By pidfd and not by a death signal of our own: that signal is tied to the *thread* that started us, and threads of a pool come
    /// and go.
    worker: OwnedFd,
    orders: Option<OwnedFd>,
    pin: Pin,
    forkserver: Option<(Pid, OwnedFd)>,
    /// No start before this.
    pause: u64,
}

impl Shim {
    /// Clones a process that will be the forkserver; true in that process.
    fn start(&mut self) -> Result<bool, Failure> {
        match sys::clone3(libc::CLONE_NEWPID, None).at(Step::PidNamespace)? {
            Cloned::Child => {
                // The signal is the parent's death, and the parent is another pid namespace: PID 1 or not, it kills.
                let signal = if leave_out::is(Part::ForkserverDeathSignal) { None } else { Some(Signal::KILL) };
                set_parent_process_death_signal(signal).at(Step::PidNamespace)?;
                sys::reset_signals();
                Ok(true)
            }
            Cloned::Parent { child, pidfd } => {
                (self.forkserver, self.pause) = (Some((child, pidfd)), after(PAUSE));
                Ok(false)
            }
        }
    }

    fn stand_by(mut self) -> Next {
        loop {
            let ready = self.wait();
            if ready.forkserver {
                let status = self.reap();
                if self.orders.is_none() {
                    return Next::End(status);
                }
                self.tell(Notice::Ended);
            }
            if ready.worker {
                return Next::End(self.see_orphan_off());
            }
            if ready.orders
                && let Some(control) = self.obey()
            {
                return Next::Become(control, self.pin);
            }
            if self.orders.is_none() && self.forkserver.is_none() {
                return Next::End(0);
            }
        }
    }

    fn wait(&self) -> Ready {
        let mut fds = vec![PollFd::new(&self.worker, PollFlags::IN)];
        let forkserver = self.forkserver.as_ref().map(|(_, pidfd)| {
            fds.push(PollFd::new(pidfd, PollFlags::IN));
            fds.len() - 1
        });
        let orders = self.orders.as_ref().map(|orders| {
            fds.push(PollFd::new(orders, PollFlags::IN));
            fds.len() - 1
        });
        while matches!(poll(&mut fds, None), Err(Errno::INTR)) {}
        let is_ready = |index: Option<usize>| index.is_some_and(|index| !fds[index].revents().is_empty());
        Ready { worker: is_ready(Some(0)), forkserver: is_ready(forkserver), orders: is_ready(orders) }
    }

    /// Does what the worker asks; the control socket, in a new child that is to be the forkserver.
    fn obey(&mut self) -> Option<OwnedFd> {
        let mut buffer = [0; ORDER];
        let received = channel::receive(self.orders.as_ref()?, &mut buffer, RecvFlags::DONTWAIT);
        let (order, fds) = match received {
            Ok(Received::Message(order, fds)) => (order, fds),
            Ok(Received::Nothing | Received::Malformed) => return None,
            Ok(Received::End) | Err(_) => {
                self.orders = None;
                return None;
            }
        };
        match order {
            ShimOrder::Kill => self.kill(),
            ShimOrder::Start => return self.start_another(fds),
        }
        None
    }

    fn start_another(&mut self, fds: Vec<OwnedFd>) -> Option<OwnedFd> {
        let is_control = |socket: &OwnedFd| matches!(socket_type(socket), Ok(SocketType::SEQPACKET));
        let control = <[OwnedFd; 1]>::try_from(fds).ok().map(|[control]| control).filter(is_control);
        let Some(control) = control.filter(|_| self.pause <= boottime()) else {
            self.tell(Notice::Refused);
            return None;
        };
        if self.forkserver.is_some() {
            self.kill();
            self.reap();
            self.tell(Notice::Ended);
        }
        match self.start() {
            Ok(true) => return Some(control),
            Ok(false) => self.tell(Notice::Started),
            Err(_) => self.tell(Notice::Refused),
        }
        None
    }

    /// Never waits: a worker that doesn't read its notices goes without.
    fn tell(&self, notice: Notice) {
        if let Some(orders) = &self.orders {
            let _ = channel::send(orders, &notice, &[], SendFlags::DONTWAIT);
        }
    }

    fn kill(&self) {
        if let Some((_, pidfd)) = &self.forkserver {
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
    }

    /// Waits for a forkserver that has ended or was killed.
    fn reap(&mut self) -> i32 {
        let Some((pid, _)) = self.forkserver.take() else { return 1 };
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal)).unwrap_or(1)
            }
            _ => 1,
        }
    }

    /// The worker died. The forkserver sees its socket close and cleans up; after [`ORPHAN_GRACE`] the shim ends, and with it (by the
    /// death signal) the forkserver and everything below.
    fn see_orphan_off(&mut self) -> i32 {
        let Some((_, pidfd)) = &self.forkserver else { return 0 };
        let grace = Timespec::try_from(ORPHAN_GRACE).ok();
        let mut one = [PollFd::new(pidfd, PollFlags::IN)];
        if matches!(poll(&mut one, grace.as_ref()), Ok(1)) { self.reap() } else { 1 }
    }
}

struct Ready {
    worker: bool,
    forkserver: bool,
    orders: bool,
}
