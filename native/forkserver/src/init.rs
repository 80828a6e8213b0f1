//! PID 1 of a sandbox: builds the place, forks programs into it, reaps, and says how they ended.
//!
//! It never interprets anything of a job: the documents go unread to the payload, which parses them in its own short-lived memory.
//! No panic and no destructor of the forkserver's copy runs here: each way out is `_exit`.

use crate::channel::{self, Received};
use crate::clock::{Stopwatch, boottime};
use crate::enter::{Materials, enter};
use crate::leaf;
use crate::payload::{self, Bounds, Stdio};
use crate::report::{Executing, Order, Report, Word};
use crate::step::{At, Failure, Step};
use crate::sys::{self, Cloned};
use forkserver::wire::{ExitStatus, MAX_PACKET};
use leave_out::Part;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, setsid, wait, waitpid};
use std::io::Read;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a clone keeps of the forkserver's descriptors.
pub struct Inherited<'a> {
    pub socket: BorrowedFd<'a>,
    pub root: BorrowedFd<'a>,
    pub workspace: BorrowedFd<'a>,
    /// To the sandbox's leaf, one for each hierarchy.
    pub doors: &'a [OwnedFd],
}

/// Numbers that those have in init, the doors last; everything above is closed.
const SOCKET: RawFd = 3;
const ROOT: RawFd = 4;
const WORKSPACE: RawFd = 5;
const FIRST_DOOR: RawFd = 6;
/// Above all of these numbers.
const HIGH: RawFd = 64;

/// The whole life of init. Never returns: nothing of the forkserver's own code may run on in this process.
pub fn live(inherited: &Inherited<'_>) -> ! {
    let code = catch_unwind(AssertUnwindSafe(|| match take_over(inherited) {
        Ok(init) => init.serve(),
        Err(_) => 1,
    }));
    sys::exit_now(code.unwrap_or(2))
}

struct Init {
    socket: OwnedFd,
    buffer: Vec<u8>,
    /// Root, workspace and doors, until the place is built.
    materials: Option<(OwnedFd, OwnedFd, Vec<OwnedFd>)>,
    /// Host paths that programs may write to.
    writable: Vec<String>,
}

/// Leaves everything behind that belongs to the forkserver or to other sandboxes.
fn take_over(inherited: &Inherited<'_>) -> Result<Init, Failure> {
    let at = Step::CloseDescriptors;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).at(at)?;
    let mut kept =
        vec![null.as_fd(), null.as_fd(), null.as_fd(), inherited.socket, inherited.root, inherited.workspace];
    kept.extend(inherited.doors.iter().map(AsFd::as_fd));
    // High copies first: no target may be a source that is still needed.
    let copy_high = |fd| rustix::io::fcntl_dupfd_cloexec(fd, HIGH).map(ManuallyDrop::new);
    let high = kept.into_iter().map(copy_high).collect::<Result<Vec<_>, _>>().at(at)?;
    for (number, fd) in (0..).zip(&high) {
        sys::place(&**fd, number).at(at)?;
    }
    std::mem::forget(null);
    let end = FIRST_DOOR + inherited.doors.len() as RawFd;
    if !leave_out::is(Part::InitDescriptors) {
        sys::close_from(end).at(at)?;
    }
    setsid().at(at)?;
    // SAFETY: just placed there. The forkserver's own owners of these numbers, copied with all memory, are never dropped here:
    // init does not return.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    let materials = (own(ROOT), own(WORKSPACE), (FIRST_DOOR..end).map(own).collect());
    Ok(Init { socket: own(SOCKET), buffer: vec![0; MAX_PACKET], materials: Some(materials), writable: Vec::new() })
}

impl Init {
    /// Obeys orders until the forkserver is gone.
    fn serve(mut self) -> i32 {
        loop {
            let obeyed = match channel::receive(&self.socket, &mut self.buffer, RecvFlags::empty()) {
                Ok(Received::Message(Order::Enter { loopback, writable }, _)) => {
                    self.writable = writable;
                    self.build(loopback)
                }
                Ok(Received::Message(Order::Run { tasks }, fds)) => self.run(fds, tasks),
                Ok(Received::Message(Order::Clear, _)) => self.clear(),
                Ok(Received::Nothing) => Ok(()),
                Ok(Received::End | Received::Malformed) | Err(_) => return 0,
            };
            if let Err(failure) = obeyed {
                let _ = self.report(&Report::Failed { failure }, &[]);
                return 1;
            }
        }
    }

    fn report(&self, report: &Report, fds: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        channel::send(&self.socket, report, fds, SendFlags::empty()).at(Step::InitChannel)
    }

    fn build(&mut self, loopback: bool) -> Result<(), Failure> {
        let (root, workspace, doors) = self.materials.take().ok_or(Failure::new(Step::Request, libc::EALREADY))?;
        let mut watch = Stopwatch::start();
        if !leave_out::is(Part::LeafEntered) {
            leaf::enter(&doors).at(Step::LeafEnter)?;
        }
        drop(doors);
        watch.lap("attach");
        watch.add(enter(Materials { root, workspace, loopback })?);
        self.report(&Report::Ready { stages: watch.take() }, &[])
    }

    /// Runs one program to its end.
    fn run(&mut self, fds: Vec<OwnedFd>, tasks: Option<u64>) -> Result<(), Failure> {
        let Ok([spec, stdin, stdout, stderr]) = <[OwnedFd; 4]>::try_from(fds) else {
            return Err(Failure::new(Step::Request, libc::EBADF));
        };
        let mut watch = Stopwatch::start();
        let (words, pen) = pipe_with(PipeFlags::CLOEXEC).at(Step::ForkPayload)?;
        let stdio = Stdio { stdin, stdout, stderr };
        let (child, pidfd) = match sys::clone3(0, None).at(Step::ForkPayload)? {
            Cloned::Child => payload::become_program(spec, stdio, pen, &Bounds { writable: &self.writable, tasks }),
            Cloned::Parent { child, pidfd } => (child, pidfd),
        };
        drop((spec, stdio, pen));
        watch.lap("fork");
        match hear(words)? {
            Heard::ExecFailed(errno) => {
                waitpid(Some(child), WaitOptions::empty()).at(Step::Wait)?;
                self.report(&Report::ExecFailed { errno }, &[])
            }
            Heard::Executing(at, landlock_abi) => {
                watch.lap("exec");
                self.report(&Report::Running { at, landlock_abi, stages: watch.take() }, &[pidfd.as_fd()])?;
                self.see_off(child)
            }
        }
    }

    /// Waits for the program, reaping whatever else dies meanwhile. The program itself stays a zombie: only the forkserver can look
    /// at it, as `/proc` of this place hides whoever made himself non-dumpable. It then has the rest cleared away, or, after the
    /// last program, kills this whole process tree, which is faster.
    fn see_off(&self, child: Pid) -> Result<(), Failure> {
        let status = await_child(child)?;
        self.report(&Report::Exited { status, at: boottime() }, &[])
    }

    fn clear(&self) -> Result<(), Failure> {
        if !leave_out::is(Part::ClearBetweenSteps) {
            kill_all_others()?;
        }
        self.report(&Report::Cleared, &[])
    }
}

enum Heard {
    Executing(Executing, u32),
    ExecFailed(i32),
}

/// Reads the payload's words until exec (or its death) closes the pipe.
fn hear(words: OwnedFd) -> Result<Heard, Failure> {
    let mut text = String::new();
    std::fs::File::from(words).take(MAX_PACKET as u64).read_to_string(&mut text).at(Step::PayloadSilent)?;
    let mut heard = Err(Failure::new(Step::PayloadSilent, libc::ECHILD));
    for line in text.lines() {
        match serde_json::from_str(line) {
            Ok(Word::Executing { executing, landlock_abi }) => heard = Ok(Heard::Executing(executing, landlock_abi)),
            Ok(Word::ExecFailed { errno }) => heard = Ok(Heard::ExecFailed(errno)),
            Ok(Word::Failed { failure }) => return Err(failure),
            Err(_) => return Err(Failure::new(Step::PayloadSilent, libc::EBADMSG)),
        }
    }
    heard
}

/// How `child` ended; it is not reaped.
fn await_child(child: Pid) -> Result<ExitStatus, Failure> {
    loop {
        let (ended, status) = sys::peek_ended_child().at(Step::Wait)?;
        if ended == child {
            return Ok(status);
        }
        waitpid(Some(ended), WaitOptions::empty()).at(Step::Wait)?;
    }
}

/// Kills and reaps everything in this pid namespace but init. A fork that is under way when the signals are given out is
/// restarted by the kernel and then finds its own: none is missed.
fn kill_all_others() -> Result<(), Failure> {
    loop {
        sys::kill_everyone_else();
        match wait(WaitOptions::empty()) {
            Ok(_) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(errno) => return Err(Failure::new(Step::Wait, errno.raw_os_error())),
        }
    }
}
