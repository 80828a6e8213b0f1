//! Our own failures: a closed set of steps, each with a code and words that name no path of the host.

use forkserver::wire::PathRule;

use crate::backend::BackendError;
use crate::seccomp::SeccompError;

/// A step of ours that failed. Becomes the outcome `failed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub step: Step,
    /// An errno name, or a word.
    pub code: String,
    pub message: String,
    /// The layer that can't hold because of it, where there is one: then the outcome is `unavailable`.
    pub layer: Option<String>,
    /// A host path that can't be what the policy says (its index, the rule): then it isn't our failure, and the outcome is `rejected`.
    pub refused: Option<(u32, PathRule)>,
}

/// Which of our steps failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Compiling the seccomp filter.
    Filter,
    /// Waiting for a free slot.
    Slot,
    /// The program that makes sandboxes.
    Forkserver,
    /// A step of the forkserver's, by its own name.
    Sandbox(String),
    /// Writing the job's files into its workspace.
    Fill,
    /// Making or reading the program's pipes.
    Output,
    /// Collecting artifacts.
    Collect,
    /// The sandbox's own PID 1 died.
    Init,
    /// Writing the result document.
    Result,
    /// A defect of ours.
    Panic,
}

impl Failure {
    /// A failure of a step that has no errno.
    pub fn new(step: Step, code: &str, message: impl Into<String>) -> Failure {
        Failure { step, code: code.to_owned(), message: message.into(), layer: None, refused: None }
    }

    /// A failed system call in one of our steps.
    pub fn system(step: Step, call: &str, errno: rustix::io::Errno) -> Failure {
        let code = errno_name(errno.raw_os_error());
        Failure { step, message: format!("{call} failed: {code}"), code, layer: None, refused: None }
    }

    /// A seccomp filter that can't be compiled.
    pub fn seccomp(error: &SeccompError) -> Failure {
        Failure::new(Step::Filter, "seccomp", error.to_string())
    }
}

impl Step {
    /// The step's name in results.
    pub fn name(&self) -> String {
        match self {
            Step::Filter => "filter".to_owned(),
            Step::Slot => "slot".to_owned(),
            Step::Forkserver => "forkserver".to_owned(),
            Step::Sandbox(step) => kebab(step),
            Step::Fill => "fill".to_owned(),
            Step::Output => "output".to_owned(),
            Step::Collect => "collect".to_owned(),
            Step::Init => "init".to_owned(),
            Step::Result => "result".to_owned(),
            Step::Panic => "panic".to_owned(),
        }
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Failure {
        match error {
            // The forkserver's own words may name paths of the host; its step and errno don't.
            BackendError::Step { step, errno, layer, .. } => {
                let code = errno_name(errno);
                let message = format!("{}: {} ({code})", failed_doing(&step), kebab(&step));
                Failure { step: Step::Sandbox(step), code, message, layer, refused: None }
            }
            BackendError::PathRefused { path, rule } => {
                let failure = Failure::new(
                    Step::Sandbox("HostPath".to_owned()),
                    "refused",
                    "a host path of the policy was refused",
                );
                Failure { refused: Some((path, rule)), ..failure }
            }
            BackendError::Lapsed => Failure::new(Step::Forkserver, "lapsed", "the job's tenure was over"),
            BackendError::Died => {
                Failure::new(Step::Forkserver, "died", "the forkserver died, and every sandbox with it")
            }
            BackendError::ShimDied => Failure::new(
                Step::Forkserver,
                "shim-died",
                "the forkserver and the process that starts it died: the worker must be started again",
            ),
            BackendError::Resting(_) => {
                Failure::new(Step::Forkserver, "resting", "the forkserver died repeatedly and is not started again yet")
            }
            BackendError::NotStarted(_) => {
                Failure::new(Step::Forkserver, "not-started", "the forkserver could not be started")
            }
            BackendError::NotRemoved(_) => {
                Failure::new(Step::Forkserver, "not-removed", "a sandbox could not be removed")
            }
            BackendError::Silent(request) => {
                Failure::new(Step::Forkserver, "silent", format!("the forkserver did not answer in time: {request}"))
            }
            BackendError::Clerk { code, .. } => {
                Failure::new(Step::Forkserver, &code, "the process for the job's files did not do its task")
            }
            BackendError::Confused { request, .. } => Failure::new(
                Step::Forkserver,
                "confused",
                format!("the forkserver gave an unexpected answer to {request}"),
            ),
            BackendError::System { call, errno } => {
                Failure::system(Step::Forkserver, call, rustix::io::Errno::from_raw_os_error(errno))
            }
        }
    }
}

/// What a step of the forkserver's was part of.
fn failed_doing(step: &str) -> &'static str {
    match step {
        "ExecSpec" | "ChownPipe" | "ForkPayload" | "Session" | "Stdio" | "Rlimits" | "Capabilities" | "NoNewPrivs"
        | "Landlock" | "Seccomp" | "ReadBack" | "PayloadSilent" => "the program could not be started",
        "MemoryLimit" | "SocketMemory" | "PidsLimit" | "CpuLimit" | "WorkspaceLimit" => {
            "the job's limits could not be set"
        }
        "Wait" | "Evidence" => "the program's end could not be established",
        "Quarantine" | "RemoveLeaf" => "the sandbox could not be removed",
        _ => "the sandbox could not be set up",
    }
}

/// `PivotRoot` as `pivot-root`.
fn kebab(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().filter(char::is_ascii_alphanumeric).take(48).enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            text.push('-');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// Name of an errno, `ENOENT`; `E` and the number where it has none here.
pub fn errno_name(errno: i32) -> String {
    let known = ERRNO_NAMES.iter().find(|(number, _)| *number == errno);
    known.map_or_else(|| format!("E{}", errno.unsigned_abs()), |(_, name)| (*name).to_owned())
}

macro_rules! errno_names {
    ($($name:ident)*) => { [$((libc::$name, stringify!($name))),*] };
}

const ERRNO_NAMES: [(i32, &str); 58] = errno_names!(
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV
    ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
    ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP EBADMSG EOVERFLOW ENOTSOCK EMSGSIZE EPROTONOSUPPORT EOPNOTSUPP EAFNOSUPPORT
    EADDRINUSE ENETUNREACH ECONNRESET ENOBUFS ENOTCONN ETIMEDOUT ECONNREFUSED EALREADY EDQUOT ELIBBAD ELIBEXEC
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_the_forkserver_keep_their_names() {
        for (name, shown) in [("PivotRoot", "pivot-root"), ("CgroupNamespace", "cgroup-namespace"), ("Wait", "wait")] {
            assert_eq!(Step::Sandbox(name.to_owned()).name(), shown);
        }
    }

    #[test]
    fn a_message_says_what_was_being_done() {
        let said = |step: &str| {
            let (step, message) = (step.to_owned(), String::new());
            Failure::from(BackendError::Step { step, errno: libc::EBUSY, layer: None, message }).message
        };
        assert_eq!(said("PivotRoot"), "the sandbox could not be set up: pivot-root (EBUSY)");
        assert_eq!(said("MemoryLimit"), "the job's limits could not be set: memory-limit (EBUSY)");
        assert_eq!(said("Seccomp"), "the program could not be started: seccomp (EBUSY)");
        assert_eq!(said("Evidence"), "the program's end could not be established: evidence (EBUSY)");
        assert_eq!(said("Quarantine"), "the sandbox could not be removed: quarantine (EBUSY)");
    }

    #[test]
    fn errnos_have_names() {
        assert_eq!(errno_name(libc::ENOENT), "ENOENT");
        assert_eq!(errno_name(libc::ENOEXEC), "ENOEXEC");
        assert_eq!(errno_name(9999), "E9999");
    }

    #[test]
    fn no_path_of_the_host_reaches_a_tenant() {
        let error = BackendError::Step {
            step: "Leaf".to_owned(),
            errno: libc::ENOENT,
            layer: None,
            message: "/sys/fs/cgroup/x".to_owned(),
        };
        assert_eq!(Failure::from(error).message, "the sandbox could not be set up: leaf (ENOENT)");
    }
}
