//! `bullpen-forkserver`: makes sandboxes, runs programs in them, owns their deadlines and kills, and reads the kernel's evidence.
//!
//! # Theory of operation
//!
//! The worker's addon starts this program with a control socket and nothing else; it is not for people. It goes on from a sealed
//! copy of itself in memory (started by an ordinary user: as root of a user namespace, `ids.rs`), gives up its groups and most capabilities, and splits in two: a *shim* (`shim.rs`), which waits, and the
//! *forkserver*, PID 1 of its own pid namespace. Whatever ends the forkserver ends everything below it; whatever ends the worker ends
//! the forkserver.
//!
//! The forkserver is one thread around `poll` (`serve.rs`), with one state machine per sandbox (`sandbox.rs`). It makes a sandbox
//! from parts (`provision.rs`: a cgroup leaf, a clone of a staged root, a workspace, and where the policy grants host paths a root of its
//! own with these in it, `hostpaths.rs`) around a PID 1, *init*, which builds the place
//! from inside (`enter.rs`), forks each program (`payload.rs` drops what is left and executes it), reaps, and reports
//! (`init.rs`, `report.rs`).
//!
//! Nothing here interprets what a job says. It sees exit statuses, counters of the kernel, and its own timers (`exec.rs`,
//! `evidence.rs`).

mod capabilities;
mod channel;
mod clerk;
mod clock;
mod copy;
mod enter;
mod evidence;
mod exec;
mod host;
mod hostpaths;
mod idmap;
mod ids;
mod init;
mod landlock;
mod layers;
mod leaf;
mod limits;
mod mounts;
mod namespaces;
mod payload;
mod pin;
mod posture;
mod program;
mod provision;
mod readback;
mod report;
mod rlimits;
mod sandbox;
mod serve;
mod shim;
mod sockets;
mod stage;
mod start;
mod step;
mod sys;
mod tenure;
mod tree;
mod trial;
mod workspace;

use crate::step::Failure;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bullpen-forkserver: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let control = start::control_socket()?;
    let orders = start::orders_socket();
    if let Err(failure) = prepare(&[&control].into_iter().chain(&orders).collect::<Vec<_>>()) {
        return serve::decline(&control, failure);
    }
    let (control, pin) = shim::split(control, orders)?;
    match start::own_mounts().and_then(|()| start::check_alone()) {
        Ok(()) => serve::serve(control, pin),
        Err(failure) => serve::decline(&control, failure),
    }
}

/// Becomes what may make sandboxes, and no more than that.
fn prepare(sockets: &[&OwnedFd]) -> Result<(), Failure> {
    ids::become_root_of_own_namespace()?;
    start::run_from_sealed_copy()?;
    start::settle(sockets)?;
    start::shed()
}
