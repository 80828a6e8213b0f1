//! A clerk: a short-lived process that writes a job's files into its box, or reads them out of it, as nobody but the job's own user.
//!
//! What reads the leavings of a hostile program may be taken over by them. So it is neither this program nor the worker: it has the
//! slot's ids, no capability, nothing open but the box and a stream, no file but those in the box, and the few system calls that this
//! takes. It is a fork, so it can read what this program had in memory: plans and names of paths, but no job's code, files or output,
//! as none of these ever pass through here.

mod confine;

use crate::clock::after;
use crate::ids::Ids;
use crate::step::{At, Failure, Step};
use crate::sys::{self, Cloned};
use files::{Answer, frames};
use forkserver::wire::{CLERK_PATIENCE, ExitStatus, Task};
use leave_out::Part;
use rustix::net::{SocketType, sockopt::socket_type};
use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};
use rustix::stdio::stdin;
use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Numbers that these have in the clerk; everything above is closed. 0 to 2 are an empty file that can't be written.
const STREAM: RawFd = 3;
const BOX: RawFd = 4;

pub struct Clerk {
    pid: Pid,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// When it is killed.
    pub deadline: u64,
}

impl Clerk {
    /// Sends one to do `task`.
    pub fn send(task: Task, workspace: &OwnedFd, stream: OwnedFd, ids: Ids) -> Result<Clerk, Failure> {
        match socket_type(&stream) {
            Ok(SocketType::STREAM) => {}
            _ => return Err(Failure::new(Step::Request, libc::ENOTSOCK).about("stream")),
        }
        match sys::clone3(0, None).at(Step::Clerk)? {
            Cloned::Child => live(task, workspace, &stream, ids),
            Cloned::Parent { child, pidfd } => Ok(Clerk { pid: child, pidfd, deadline: after(CLERK_PATIENCE) }),
        }
    }

    /// It may have ended already.
    pub fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// How it ended. Doesn't wait: its pidfd is readable.
    pub fn reap(self) -> Result<ExitStatus, Failure> {
        let (_, status) = waitpid(Some(self.pid), WaitOptions::NOHANG)
            .at(Step::Clerk)?
            .ok_or(Failure::new(Step::Clerk, libc::EAGAIN))?;
        Ok(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => ExitStatus::Code(code),
            (None, signal) => ExitStatus::Signal(signal.unwrap_or(0)),
        })
    }
}

/// The whole life of a clerk.
fn live(task: Task, workspace: &OwnedFd, stream: &OwnedFd, ids: Ids) -> ! {
    let done = catch_unwind(AssertUnwindSafe(|| match arrange(workspace, stream) {
        Ok((workspace, stream)) => work(task, &workspace, stream, ids),
        Err(_) => 3,
    }));
    sys::exit_now(done.unwrap_or(2))
}

fn work(task: Task, workspace: &ManuallyDrop<OwnedFd>, mut stream: ManuallyDrop<File>, ids: Ids) -> i32 {
    if let Err(Failure { errno, about, .. }) = confine::confine(workspace.as_fd(), ids) {
        let step = about.unwrap_or_else(|| "confine".to_owned());
        let _ = stream.write_all(&frames::word(&Answer::Failed { step, errno }));
        return 3;
    }
    match files::serve(task, workspace.as_fd(), &mut *stream) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Nothing of the forkserver's stays open.
fn arrange(workspace: &OwnedFd, stream: &OwnedFd) -> Result<(ManuallyDrop<OwnedFd>, ManuallyDrop<File>), Failure> {
    // High copies first: no target may be a source that is still needed.
    let high = |fd: BorrowedFd<'_>| rustix::io::fcntl_dupfd_cloexec(fd, 64).map(ManuallyDrop::new).at(Step::Clerk);
    let (workspace, stream) = (high(workspace.as_fd())?, high(stream.as_fd())?);
    sys::place(stdin(), 1).at(Step::Clerk)?;
    sys::place(stdin(), 2).at(Step::Clerk)?;
    sys::place(&*stream, STREAM).at(Step::Clerk)?;
    sys::place(&*workspace, BOX).at(Step::Clerk)?;
    if !leave_out::is(Part::ClerkDescriptors) {
        sys::close_from(BOX + 1).at(Step::Clerk)?;
    }
    // SAFETY: just placed there. The forkserver's own owners of these numbers, copied with all memory, are never dropped here: a clerk
    // doesn't return.
    let (workspace, stream) = unsafe { (OwnedFd::from_raw_fd(BOX), File::from_raw_fd(STREAM)) };
    Ok((ManuallyDrop::new(workspace), ManuallyDrop::new(stream)))
}
