//! What a sandbox's PID 1 (`init`) and the forkserver, and the payload before exec and its init, tell each other.
//!
//! ```text
//! forkserver                      init                               payload
//!   Order::Enter             ->
//!                            <-   Report::Ready
//!   Order::Run + [spec,0,1,2] ->  clone                         ->
//!                                                               <-   Word::Executing, end of pipe: exec succeeded
//!                            <-   Report::Running + [pidfd]
//!                            <-   Report::Exited: dead, not reaped
//!   Order::Clear (not the last) ->
//!                            <-   Report::Cleared
//!                                                               or   Word::ExecFailed -> Report::ExecFailed
//!                                                               or   Word::Failed     -> Report::Failed
//! ```

use crate::readback::Scheduled;
use crate::step::Failure;
use forkserver::wire::{ExitStatus, Stage};
use serde::{Deserialize, Serialize};

/// Forkserver to init.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// The maps are written and init is in its leaf: build the place. `writable`: host paths in it that may be written.
    Enter { loopback: bool, writable: Vec<String> },
    /// Run one program; carries the `ExecSpec` memfd, stdin, stdout, stderr. `tasks`: a limit of its own on the tasks of its user.
    Run { tasks: Option<u64> },
    /// Kill and reap everything but init. Until this comes the program's zombie stays, so that the forkserver can read what the
    /// kernel knows of it.
    Clear,
}

/// Init to forkserver.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    Ready {
        stages: Vec<Stage>,
    },
    /// Exec succeeded; carries a pidfd of the program. Times: nanoseconds.
    Running {
        at: Executing,
        landlock_abi: u32,
        stages: Vec<Stage>,
    },
    ExecFailed {
        errno: i32,
    },
    /// The program ended at `at` (boot time, ns). It is not reaped yet.
    Exited {
        status: ExitStatus,
        at: u64,
    },
    /// Init is alone.
    Cleared,
    Failed {
        failure: Failure,
    },
}

/// The moment before exec.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Executing {
    /// Boot time, ns.
    pub at: u64,
    /// CPU that our own set-up of the payload used, ns.
    pub cpu: u64,
    /// How it had run and waited by then: what comes on top is the program's.
    pub scheduled: Scheduled,
}

/// Payload to init, a line of JSON each on a pipe that exec closes.
#[derive(Debug, Serialize, Deserialize)]
pub enum Word {
    Executing { executing: Executing, landlock_abi: u32 },
    ExecFailed { errno: i32 },
    Failed { failure: Failure },
}
