//! Every step that can fail, by name: our failures say where, with which errno, and what to do about it.

use forkserver::wire::StepError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A step of ours. The guest's failures are never one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    // start
    OwnUserNamespace,
    SealedCopy,
    ControlSocket,
    ClearGroups,
    PidNamespace,
    OwnMounts,
    OwnProc,
    OwnCapabilities,
    SingleThread,
    EventLoop,
    // requests
    Version,
    Request,
    HostPlan,
    // root file systems
    StageRoot,
    StageBind,
    StageDevice,
    StageCopy,
    StageLock,
    // host paths
    HostRoot,
    HostRootOfOthers,
    HostPath,
    HostPathOwner,
    HostPathRoot,
    HostPathCheck,
    // provision
    Leaf,
    Controllers,
    LeafEnter,
    OomScore,
    OomEvents,
    CloneTree,
    Workspace,
    CloneInit,
    UidMap,
    GidMap,
    InitChannel,
    InitSilent,
    InitDied,
    // in the sandbox's PID 1
    CloseDescriptors,
    SwitchIds,
    NamespaceLimits,
    PrivateMounts,
    AttachRoot,
    AttachWorkspace,
    MountProc,
    PivotRoot,
    DetachOldRoot,
    CheckRoot,
    HostName,
    Loopback,
    CgroupNamespace,
    LockMounts,
    ParentDeathSignal,
    CheckNamespaces,
    // claim
    MemoryLimit,
    SocketMemory,
    PidsLimit,
    CpuLimit,
    WorkspaceLimit,
    // files
    Clerk,
    // exec
    ExecSpec,
    ChownPipe,
    ForkPayload,
    Session,
    Stdio,
    Rlimits,
    Capabilities,
    NoNewPrivs,
    Landlock,
    Seccomp,
    ReadBack,
    PayloadSilent,
    // end
    Wait,
    Evidence,
    Quarantine,
    RemoveLeaf,
}

impl Step {
    /// The layer (a name of the result's closed set) that can't hold when this step fails.
    pub fn layer(self) -> Option<&'static str> {
        Some(match self {
            Step::OwnUserNamespace | Step::CloneInit | Step::UidMap | Step::GidMap | Step::NamespaceLimits => {
                "user-namespace"
            }
            Step::PidNamespace | Step::MountProc | Step::OwnProc => "pid-namespace",
            Step::OwnMounts | Step::PrivateMounts | Step::CheckNamespaces | Step::DetachOldRoot => "mount-namespace",
            Step::StageRoot | Step::StageBind | Step::StageDevice | Step::StageCopy | Step::StageLock => {
                "readonly-root"
            }
            Step::CloneTree | Step::AttachRoot | Step::PivotRoot | Step::CheckRoot | Step::LockMounts => {
                "readonly-root"
            }
            Step::Workspace | Step::AttachWorkspace | Step::WorkspaceLimit => "workspace-quota",
            Step::HostRoot
            | Step::HostRootOfOthers
            | Step::HostPath
            | Step::HostPathOwner
            | Step::HostPathRoot
            | Step::HostPathCheck => "mount-namespace",
            Step::ClearGroups | Step::SwitchIds => "uid",
            Step::HostName => "uts-namespace",
            Step::Loopback => "network-namespace",
            Step::CgroupNamespace => "cgroup-namespace",
            Step::MemoryLimit | Step::SocketMemory | Step::OomEvents => "cgroup-memory",
            Step::PidsLimit => "cgroup-pids",
            Step::CpuLimit => "cgroup-cpu",
            Step::Rlimits => "rlimits",
            Step::OwnCapabilities | Step::Capabilities => "capabilities",
            Step::NoNewPrivs => "no-new-privs",
            Step::Landlock => "landlock",
            Step::Seccomp => "seccomp",
            _ => return None,
        })
    }

    /// What the operator can do about it.
    fn remedy(self) -> &'static str {
        match self {
            Step::SealedCopy => {
                "the program must be able to copy itself into a sealed memfd: check vm.memfd_noexec and free memory"
            }
            Step::ControlSocket => {
                "this program is started by bullpen-worker with its control socket on descriptor 3, not by hand"
            }
            Step::OwnUserNamespace => {
                "without CAP_SYS_ADMIN the worker needs user namespaces: allowed by the host (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor's restriction of them) and in a container by its seccomp profile; or run it as root with CAP_SYS_ADMIN"
            }
            Step::OwnCapabilities => {
                "the worker needs each capability that the forkserver keeps: a container must be given it (--cap-add)"
            }
            Step::ClearGroups | Step::PidNamespace | Step::OwnMounts => {
                "the worker needs CAP_SYS_ADMIN and CAP_SETGID, and in a container a seccomp profile that allows clone, unshare and mount"
            }
            Step::OwnProc => {
                "in a container: its /proc must not be masked for a worker that is an ordinary user (Docker: systempaths=unconfined, Kubernetes: procMount: Unmasked), and its seccomp and AppArmor profiles must allow mount"
            }
            Step::HostName => {
                "in a container: its seccomp profile must allow sethostname, and the other calls that a sandbox is made with"
            }
            Step::CheckNamespaces => "reading another user's /proc entries needs CAP_SYS_PTRACE",
            Step::Version => "worker and forkserver are of different builds: build both again",
            Step::Request => {
                "the worker asked for something that this sandbox's state does not allow: a defect of ours"
            }
            Step::HostPlan => {
                "check runDir, uids and the cgroup mount points of the worker's configuration. With EPERM: what a worker was started with holds until it ends; start it again, and if nobody changed it, find out who took it over"
            }
            Step::StageRoot | Step::StageBind | Step::StageCopy => {
                "check rootFilesystems in the worker's configuration against this host's paths"
            }
            Step::StageDevice => {
                "the host's /dev must have null, zero, full, random and urandom with their usual numbers"
            }
            Step::HostRoot => {
                "check roots in the worker's configuration: each is a directory of a local file system, reached without symbolic links; to be readwrite it must belong to a user and group other than root"
            }
            Step::HostRootOfOthers => {
                "a worker that is an ordinary user gives readwrite only what is that user's own: its jobs have no other id"
            }
            Step::HostPathOwner => {
                "this file system can't be mounted with its owner's id as the job's: needs Linux 5.12 for ext4 and xfs, 5.15 for btrfs, 6.3 for tmpfs"
            }
            Step::Leaf | Step::LeafEnter => {
                "the worker must be able to make directories and move its own processes there (systemd: Delegate=yes; in a container: /sys/fs/cgroup mounted rw, with a cgroup namespace of its own)"
            }
            Step::Controllers => {
                "the cgroup must hand down memory, pids and cpu, and hold no process itself (systemd: Delegate=yes)"
            }
            Step::CloneInit | Step::UidMap | Step::GidMap => {
                "check user.max_user_namespaces and the other user.max_*_namespaces, and that user namespaces are enabled"
            }
            Step::MountProc => "the worker's own /proc must not be masked: a new one could reveal more and is refused",
            Step::MemoryLimit => {
                "needs the memory controller, and that it counts swap (boot with swapaccount=1, and without cgroup_disable=memory)"
            }
            Step::SocketMemory => {
                "a private loopback needs memory.kmem.tcp.limit_in_bytes: a kernel with CONFIG_MEMCG_KMEM, without cgroup.memory=nosocket"
            }
            Step::PidsLimit | Step::CpuLimit => "needs the controller, in a hierarchy that this worker may write to",
            Step::Rlimits => "openFiles must not be above this worker's own hard limit (ulimit -Hn)",
            Step::Landlock => "needs a kernel with Landlock enabled (lsm=…,landlock)",
            Step::Seccomp => "the compiled filter was refused: a defect of ours, or a kernel without seccomp filters",
            Step::InitSilent | Step::PayloadSilent => {
                "set-up: took longer than its deadline: the machine is overloaded, or a mount hangs"
            }
            Step::Wait | Step::Evidence => {
                "tear-down: how the program ended could not be read; the kernel must keep schedstat, and nobody else write the leaf"
            }
            Step::RemoveLeaf => "tear-down: the leaf stays behind, and the worker's next start takes it away",
            Step::Quarantine => {
                "tear-down: processes of this sandbox do not die (uninterruptible I/O?): look at its cgroup leaf"
            }
            _ => "see the errno; this step works on the kernels that the host check accepts",
        }
    }
}

/// A step that failed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub step: Step,
    pub errno: i32,
    /// Which of several things it was about (a path of the configuration, a file of a cgroup).
    pub about: Option<String>,
}

impl Failure {
    pub fn new(step: Step, errno: i32) -> Failure {
        Failure { step, errno, about: None }
    }

    pub fn about(mut self, what: impl Into<String>) -> Failure {
        self.about = Some(what.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.step, errno_name(self.errno))?;
        if let Some(about) = &self.about {
            write!(f, " {about}")?;
        }
        write!(f, ": {}", self.step.remedy())
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> StepError {
        StepError {
            step: format!("{:?}", failure.step),
            errno: failure.errno,
            layer: failure.step.layer().map(str::to_owned),
            message: failure.to_string(),
        }
    }
}

/// Names the step of a result: `mount(…).at(Step::MountProc)?`.
pub trait At<T> {
    fn at(self, step: Step) -> Result<T, Failure>;
}

impl<T> At<T> for rustix::io::Result<T> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|errno| Failure::new(step, errno.raw_os_error()))
    }
}

impl<T> At<T> for std::io::Result<T> {
    fn at(self, step: Step) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, error.raw_os_error().unwrap_or(libc::EIO)))
    }
}

/// Symbolic name of the errnos that occur here; others as their number.
fn errno_name(errno: i32) -> String {
    let name = match errno {
        libc::EPERM => "EPERM",
        libc::ENOENT => "ENOENT",
        libc::ESRCH => "ESRCH",
        libc::EINTR => "EINTR",
        libc::EIO => "EIO",
        libc::E2BIG => "E2BIG",
        libc::EBADF => "EBADF",
        libc::ECHILD => "ECHILD",
        libc::EAGAIN => "EAGAIN",
        libc::ENOMEM => "ENOMEM",
        libc::EACCES => "EACCES",
        libc::EFAULT => "EFAULT",
        libc::EBUSY => "EBUSY",
        libc::EEXIST => "EEXIST",
        libc::EXDEV => "EXDEV",
        libc::ENODEV => "ENODEV",
        libc::ENOTDIR => "ENOTDIR",
        libc::EISDIR => "EISDIR",
        libc::EINVAL => "EINVAL",
        libc::ENFILE => "ENFILE",
        libc::EMFILE => "EMFILE",
        libc::EFBIG => "EFBIG",
        libc::ENOSPC => "ENOSPC",
        libc::EROFS => "EROFS",
        libc::EPIPE => "EPIPE",
        libc::ERANGE => "ERANGE",
        libc::ENAMETOOLONG => "ENAMETOOLONG",
        libc::ENOSYS => "ENOSYS",
        libc::ENOTEMPTY => "ENOTEMPTY",
        libc::ELOOP => "ELOOP",
        libc::EPROTO => "EPROTO",
        libc::EBADMSG => "EBADMSG",
        libc::EOVERFLOW => "EOVERFLOW",
        libc::EUSERS => "EUSERS",
        libc::EMSGSIZE => "EMSGSIZE",
        libc::EOPNOTSUPP => "EOPNOTSUPP",
        libc::ETIMEDOUT => "ETIMEDOUT",
        other => return format!("errno {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_step_errno_subject_and_remedy() {
        let failure = Failure::new(Step::StageBind, libc::ENOENT).about("/opt/x");
        let said = failure.to_string();
        assert!(said.starts_with("StageBind(ENOENT) /opt/x: check rootFilesystems"), "{said}");
        let error = StepError::from(failure);
        assert_eq!(
            (&*error.step, error.errno, error.layer.as_deref()),
            ("StageBind", libc::ENOENT, Some("readonly-root"))
        );
    }

    #[test]
    fn what_fails_when_all_is_over_is_not_called_set_up() {
        for step in [Step::Wait, Step::Evidence, Step::Quarantine, Step::RemoveLeaf] {
            let said = Failure::new(step, libc::EBUSY).to_string();
            assert!(said.contains(": tear-down: "), "{said}");
        }
    }

    #[test]
    fn an_unknown_errno_is_a_number() {
        assert!(Failure::new(Step::Wait, 9999).to_string().starts_with("Wait(errno 9999): "));
    }
}
