//! From a fork of init to the job's program: the last steps before the first byte of a guest runs.
//!
//! The order matters: what needs a capability comes before they go, Landlock and seccomp need no-new-privs, and the filter is last.

use crate::capabilities;
use crate::clock::{boottime, own_cpu_time};
use crate::landlock;
use crate::program::Program;
use crate::readback::own_scheduled;
use crate::report::{Executing, Word};
use crate::rlimits;
use crate::step::{At, Failure, Step};
use crate::sys;
use crate::trial;
use leave_out::Part;
use rustix::fs::Mode;
use rustix::io::{Errno, FdFlags, fcntl_setfd, write};
use rustix::process::{Signal, chdir, set_parent_process_death_signal, setsid, umask};
use rustix::thread::set_no_new_privs;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the program gets as 0, 1 and 2.
pub struct Stdio {
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Number of the pipe to init; it closes by itself when exec succeeds.
const PEN: RawFd = 3;
const SPEC: RawFd = 4;
/// Part of the box: without Landlock anything can be made there.
const LANDLOCK_TRIED_IN: &str = "/tmp";

/// Why the program doesn't run.
enum Stop {
    /// The guest's affair: exec (or the working directory) says no.
    Guest(Errno),
    Ours(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Ours(failure)
    }
}

/// What is this sandbox's own of its programs' confinement.
pub struct Bounds<'a> {
    /// Host paths that they may write to, as far as their mounts allow.
    pub writable: &'a [String],
    /// Tasks that their user may have, where no cgroup counts them.
    pub tasks: Option<u64>,
}

/// Becomes the program, or tells init why not. Never returns.
pub fn become_program(spec: OwnedFd, stdio: Stdio, pen: OwnedFd, bounds: &Bounds<'_>) -> ! {
    // By number from here on; the owners of the old numbers must not close them again.
    let (spec, stdio, pen) = (ManuallyDrop::new(spec), ManuallyDrop::new(stdio), ManuallyDrop::new(pen));
    let (pen, arranged) = match arrange_descriptors(&spec, &stdio, &pen) {
        // SAFETY: just placed there, and this process has no other owner of that number.
        Ok(()) => (ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(PEN) }), Ok(())),
        Err(errno) => (pen, Err(errno).at(Step::Stdio)),
    };
    let stop = catch_unwind(AssertUnwindSafe(|| match arranged {
        Ok(()) => prepare_and_execute(&pen, bounds).unwrap_or_else(|stop| stop),
        Err(failure) => Stop::Ours(failure),
    }));
    let word = match stop {
        Ok(Stop::Guest(errno)) => Word::ExecFailed { errno: errno.raw_os_error() },
        Ok(Stop::Ours(failure)) => Word::Failed { failure },
        Err(_) => Word::Failed { failure: Failure::new(Step::ForkPayload, libc::ENOTRECOVERABLE) },
    };
    let _ = say(&pen, &word);
    sys::exit_now(1)
}

/// Stdio at its numbers, the pen and the document above them, nothing else open.
fn arrange_descriptors(spec: &OwnedFd, stdio: &Stdio, pen: &OwnedFd) -> Result<(), Errno> {
    for (fd, number) in [(&stdio.stdin, 0), (&stdio.stdout, 1), (&stdio.stderr, 2), (pen, PEN), (spec, SPEC)] {
        sys::place(fd, number)?;
    }
    if leave_out::is(Part::PayloadDescriptors) { Ok(()) } else { sys::close_from(SPEC + 1) }
}

/// Returns only with the reason why exec failed.
fn prepare_and_execute(pen: &OwnedFd, bounds: &Bounds<'_>) -> Result<Stop, Stop> {
    fcntl_setfd(pen, FdFlags::CLOEXEC).at(Step::Stdio)?;
    // SAFETY: placed there by `arrange_descriptors`, with no other owner.
    let program = Program::read(unsafe { OwnedFd::from_raw_fd(SPEC) })?;
    if !leave_out::is(Part::Session) {
        setsid().at(Step::Session)?;
    }
    if leave_out::is(Part::TrapDeathSignalInPayload) {
        set_parent_process_death_signal(Some(Signal::KILL)).at(Step::Session)?;
    }
    chdir(&*program.cwd).map_err(Stop::Guest)?;
    if !leave_out::is(Part::Umask) {
        umask(Mode::from_raw_mode(0o022));
    }
    rlimits::apply(program.open_files, program.file_size_bytes).at(Step::Rlimits)?;
    bounds.tasks.map_or(Ok(()), rlimits::limit_tasks).at(Step::PidsLimit)?;
    capabilities::drop_all().at(Step::Capabilities)?;
    set_no_new_privs(!leave_out::is(Part::NoNewPrivs)).at(Step::NoNewPrivs)?;
    let landlock_abi = landlock::restrict(program.deny_tcp, bounds.writable)?;
    landlock::prove(LANDLOCK_TRIED_IN)?;
    let scheduled = own_scheduled().at(Step::Evidence)?;
    let executing = Executing { at: boottime(), cpu: own_cpu_time(), scheduled };
    say(pen, &Word::Executing { executing, landlock_abi }).at(Step::ForkPayload)?;
    if !leave_out::is(Part::SeccompWhole) {
        sys::install_seccomp(&program.filter).at(Step::Seccomp)?;
    }
    if let Some(trial) = &program.trial {
        // As exec would: it runs from here on.
        sys::close_from(PEN).at(Step::Stdio)?;
        trial::run(trial);
    }
    Ok(Stop::Guest(program.execute()))
}

fn say(pen: &OwnedFd, word: &Word) -> Result<(), Errno> {
    let mut line = serde_json::to_vec(word).map_err(|_| Errno::INVAL)?;
    line.push(b'\n');
    // Far below PIPE_BUF: written whole.
    write(pen, &line).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, open};
    use rustix::process::{WaitOptions, waitpid};

    #[test]
    fn nothing_is_open_but_what_was_placed() {
        let null = || open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).expect("null");
        let (spec, pen, stdio) = (null(), null(), Stdio { stdin: null(), stdout: null(), stderr: null() });
        let child = match sys::clone3(0, None).expect("clone3") {
            sys::Cloned::Child => {
                // As if the first process had left them open. Only system calls from here on: other threads held locks.
                let left = [9, 77].map(|number| sys::place(&spec, number).is_ok());
                let arranged = arrange_descriptors(&spec, &stdio, &pen).is_ok();
                // SAFETY: asking for a descriptor's flags is always sound.
                let open = (0..100).filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0).count();
                sys::exit_now(if arranged && left == [true; 2] { open as i32 } else { 101 })
            }
            sys::Cloned::Parent { child, .. } => child,
        };
        let (_, status) = waitpid(Some(child), WaitOptions::empty()).expect("waited").expect("ended");
        assert_eq!(status.exit_status(), Some(5), "0, 1, 2, the pen and the document");
    }
}
