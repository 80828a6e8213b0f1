//! System call filters: which calls a job's processes may make.
//!
//! What is asked and what is done live apart: [`strict`](self) and `compatible` are tables of [`Entry`], each with its reason;
//! `compile` makes a classic BPF program of them, a binary search tree over the call numbers. The forkserver gets the
//! program as bytes and loads it as the last thing before the job's program is executed.
//!
//! ```text
//! foreign architecture, x32 number   the process is killed
//! named dangerous call               EPERM
//! call with constrained arguments    a decision on those 32 bits of each argument that the kernel reads (of pointers all 64)
//! strict: any other call             ENOSYS, so that libc falls back to an older one
//! compatible: any other call         allowed
//! ```
//!
//! A filter never looks at paths or other memory: what it decides on can't change between the check and the use.

mod arguments;
mod assemble;
mod compatible;
mod compile;
mod dangerous;
#[cfg(feature = "leave-out")]
mod leave_out;
mod numbers;
mod strict;
mod table;

use arguments::{descriptors, process, sockets};
pub use compile::{CompiledFilter, SeccompError, compile};
pub use table::{Action, Call, Entry, Half, Match, Verdict};

/// Which sockets a job may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sockets {
    /// Unix ones.
    Local,
    /// INET ones as well: the job has a loopback interface of its own.
    Loopback,
    /// Pairs only. For a job with host paths, among which there may be a socket that a process of the host listens on.
    Pairs,
    /// INET ones, and pairs.
    LoopbackPairs,
}

/// A named set of rules, weaker or stronger; the result of a job records which one ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Allowlist: only what is named may be called.
    Strict,
    /// Denylist: only what is named may not be called. For debuggers and programs that need rare calls.
    Compatible,
}

impl Profile {
    /// The profile of that name (`strict`, `compatible`), as in a policy's `syscalls`.
    pub fn from_name(name: &str) -> Option<Profile> {
        match name {
            "strict" => Some(Profile::Strict),
            "compatible" => Some(Profile::Compatible),
            _ => None,
        }
    }

    /// The profile's name in policies and results.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Strict => "strict",
            Profile::Compatible => "compatible",
        }
    }

    /// What happens to a call that no entry names.
    pub fn default_action(self) -> Action {
        match self {
            Profile::Strict => Action::Refuse(libc::ENOSYS),
            Profile::Compatible => Action::Allow,
        }
    }

    /// The profile's entries, with those for the job's sockets.
    pub fn entries(self, sockets: Sockets) -> impl Iterator<Item = &'static Entry> {
        let own_sockets = match sockets {
            Sockets::Local => sockets::LOCAL,
            Sockets::Loopback => sockets::LOOPBACK,
            Sockets::Pairs => sockets::PAIRS,
            Sockets::LoopbackPairs => sockets::LOOPBACK_PAIRS,
        };
        let own: &[&[Entry]] = match self {
            Profile::Strict => &[strict::ALLOWED, strict::REFUSED, process::STRICT, descriptors::STRICT],
            Profile::Compatible => &[compatible::ENTRIES],
        };
        let always = [dangerous::ENTRIES, process::ALWAYS, descriptors::ALWAYS, sockets::ALWAYS, own_sockets];
        always.into_iter().chain(own.iter().copied()).flatten()
    }
}
