//! The protocol between the sandbox library and the forkserver.
//!
//! One `SOCK_SEQPACKET` packet is one message: JSON of at most [`MAX_PACKET`] bytes, with file descriptors as
//! `SCM_RIGHTS` where a message says so. The socket is inherited on [`CONTROL_FD`]; nobody else can speak to it.
//!
//! ```text
//! library                                      forkserver
//!   Hello{version, …}                     ->
//!                                         <-   Ready{…}                       or Refused
//!   Provision{sandbox, plan}              ->
//!                                         <-   Provisioned{sandbox} + [box]   or PathRefused, or Failed
//!   Claim{sandbox, limits, …}             ->
//!                                         <-   Claimed{sandbox}               or Failed
//!   Tenure{sandbox, until_ms}             ->                                  (any time after; no answer)
//!   Clerk{sandbox, fill} + [stream]       ->   (files in: after `Claimed` and before the first `Exec`)
//!                                         <-   ClerkEnded{sandbox, status}    or Failed
//!   Exec{sandbox, step, …} + [spec, 0, 1, 2] ->
//!                                         <-   Started{sandbox, step}         or ExecFailed, or Failed
//!   Kill{sandbox, cause}                  ->                                  (any time; no answer of its own)
//!                                         <-   Ended{sandbox, step, evidence}
//!   Clerk{sandbox, collect} + [stream]    ->   (files out: when all of the sandbox is dead, after its last `Ended`)
//!                                         <-   ClerkEnded{sandbox, status}    or Failed
//!   Deprovision{sandbox}                  ->   (also kills what still runs)
//!                                         <-   Deprovisioned{sandbox}         or Failed
//! ```
//!
//! After `PathRefused` and after `Failed` (which may come at any time) the sandbox is dead and is to be deprovisioned. Several `Exec` may follow each other in
//! one sandbox (a build step, then the program); everything of a step is dead before its `Ended` is sent. After an `Ended` whose cause
//! is `exit`, and whose exec was not the last, the sandbox takes the next `Exec`; after any other it is dead.
//!
//! `Ended` can come without `Started`: the step was ended (killed, out of memory) before its program began. `Kill` where no step is
//! under way makes the sandbox dead and has no answer. `Deprovision` while a step runs brings its `Ended` first; during `Provision`,
//! `Deprovisioned` instead of `Provisioned`. Two live sandboxes never have the same slot. When the library's end of the socket is
//! closed, everything is killed and removed.
//!
//! A tenure is until when a sandbox may go on without another word: its worker extends it for as long as it knows the job to be its own.
//! When it is over, everything in the sandbox is killed, whether the worker lives, sleeps or is stopped. The step under way ends
//! with the cause `tenure`; where there is none, whatever waits for an answer or is asked for afterwards is answered `Lapsed`, except
//! `Deprovision`. No tenure is extended that is over, and none is shortened.
//!
//! A clerk is a process with the slot's ids and no capability that has nothing but the box and the stream; what is said on that is in
//! [`files::frames`]. It is killed after [`CLERK_PATIENCE`], and with its sandbox. While there is one, no other is made, nothing is
//! executed, and the sandbox is not removed.
//!
//! The library can do nothing with the box's descriptor but keep it: until `Deprovisioned` (or `Failed` instead of it), when it closes it where blocking harms
//! nobody: the kernel deletes what is in the box when its last descriptor is closed, which takes seconds for a million files. The
//! forkserver's own is closed by then.
//!
//! The forkserver dies with the *process* that started it, whichever thread that was.

pub use files::Task;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of this protocol; a peer with another one is refused.
pub const VERSION: u32 = 5;
/// The forkserver's end of the control socket.
pub const CONTROL_FD: i32 = 3;
/// The shim's end of its own socket, if the library gives it one ([`ShimOrder`], [`Notice`]). It stays when a forkserver ends.
pub const ORDERS_FD: i32 = 4;
/// Largest packet. What may be larger (argv, environment, filter) travels as a sealed memfd.
pub const MAX_PACKET: usize = 64 * 1024;
/// Largest [`ExecSpec`] document in its memfd: arguments and environment are bounded by the job document (2 MiB), base64 and JSON escapes included.
pub const MAX_EXEC_SPEC: usize = 16 * 1024 * 1024;

/// How long the set-up of a program may take. It runs on the job's own share of a CPU: its largest document takes some 20 ms of CPU,
/// which is 2 s of the smallest share, on a machine that does nothing else.
pub const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long the kernel may take to finish a kill before the sandbox fails as one that doesn't die. The program's end is decided
/// by then, and nobody else waits for it; a job can make it last: 2 GiB of page tables take the kernel several seconds.
pub const DEATH_PATIENCE: Duration = Duration::from_secs(60);
/// How long a clerk may take. Collecting ends by itself much sooner; what takes time beyond that is a library that doesn't read.
pub const CLERK_PATIENCE: Duration = Duration::from_secs(60);

/// What the library may ask of the shim, each one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShimOrder {
    /// Carries one descriptor: the control socket of a new forkserver, which takes the place of one that still lives. The first is
    /// started without an order.
    Start,
    Kill,
}

/// What the shim says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    Started,
    /// Too soon after the last start, or it could not be.
    Refused,
    /// The forkserver has ended, and everything below it.
    Ended,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "kind")]
pub enum Request {
    #[serde(rename_all = "camelCase")]
    Hello { version: u32, host: HostPlan },
    #[serde(rename_all = "camelCase")]
    Provision { sandbox: u64, plan: SandboxPlan },
    /// Once per sandbox. Only from then on is there room in the box: fill it after `Claimed`.
    #[serde(rename_all = "camelCase")]
    Claim {
        sandbox: u64,
        limits: ClaimLimits,
        /// Milliseconds of `CLOCK_BOOTTIME`, the same in all processes of a machine; without it the sandbox needs nobody's word.
        tenure_until_ms: Option<u64>,
    },
    /// Extends a tenure; nothing when the sandbox has none, or is no more.
    #[serde(rename_all = "camelCase")]
    Tenure { sandbox: u64, until_ms: u64 },
    /// Carries one descriptor: the clerk's end of a stream (a connected `AF_UNIX` `SOCK_STREAM` socket).
    #[serde(rename_all = "camelCase")]
    Clerk { sandbox: u64, task: Task },
    /// Carries four descriptors: the [`ExecSpec`] memfd (sealed against shrinking, growing and writing), then the payload's stdin,
    /// stdout, stderr. Pipes among them become the slot's (`fchown`), so that the job can open `/dev/stdout` again; named ones don't.
    #[serde(rename_all = "camelCase")]
    Exec { sandbox: u64, step: u32, last: bool, wall_time_ms: u64, cpu_time_ms: u64, report_posture: bool },
    #[serde(rename_all = "camelCase")]
    Kill { sandbox: u64, cause: Cause },
    #[serde(rename_all = "camelCase")]
    Deprovision { sandbox: u64 },
}

/// What holds for the whole life of one forkserver, and of every later one of its shim's: those refuse another plan than the first one's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostPlan {
    /// Worker instance name, `[a-z0-9-]{1,64}`; part of every cgroup leaf's path.
    pub instance: String,
    /// Existing directory, empty, owned by the worker; the forkserver stages root file systems on it inside its own mount namespace.
    pub stage_dir: String,
    /// First host uid of the block leased by this instance; slot n runs as `first_uid + n`. The same number is its gid. For an ordinary
    /// user these ids don't exist: then all slots run as that user, and the layer `uid` does not hold.
    pub first_uid: u32,
    pub uid_count: u32,
    /// The hierarchies in which every sandbox gets a leaf. A controller that none of them has sets no limit: then no job starts.
    pub cgroups: Vec<CgroupHierarchy>,
    /// Root file systems, staged once and cloned for each sandbox.
    pub roots: Vec<RootPlan>,
    /// Directories of the host below which a sandbox may be given paths; opened once, at the start.
    pub host_roots: Vec<HostRoot>,
    /// What the operator accepts in place of layers that don't hold here. A substitute is used only where its layer doesn't hold.
    pub substitutes: Vec<Substitute>,
}

/// One thing accepted in place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Substitute {
    pub layer: String,
    pub by: String,
}

/// A directory of the host below which paths may be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostRoot {
    /// Absolute and normalised, without a symbolic link in it.
    pub path: String,
    /// Most that may be granted: [`PathAccess::Readonly`] or [`PathAccess::Readwrite`].
    pub access: PathAccess,
}

/// What a job may do with a host path; the strictest is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathAccess {
    Readwrite,
    Readonly,
    Denied,
}

/// One host path of a policy, and what it is to be. The most specific one wins; of several for one file or directory, the strictest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathPlan {
    /// Index into [`HostPlan::host_roots`]: the deepest one that the path is in.
    pub root: u32,
    /// Relative to it, normalised; empty for the root itself.
    pub below: String,
    pub access: PathAccess,
}

/// Why a host path can't be what the policy wants it to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathRule {
    /// There is nothing there to grant.
    Missing,
    /// One of its names is a symbolic link.
    Symlink,
    /// Another file system is mounted on the way to it.
    OtherFilesystem,
    /// Another file system is mounted below it, and no path of the policy says what is to become of it.
    MountBelow,
    /// Neither a regular file nor a directory.
    FileType,
    /// A file that is to be stricter than what is around it has other names (hard links) that can't be found.
    HardLink,
    /// A denied directory with more in it than can be searched for hard links, or more places to mount than allowed.
    TooLarge,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CgroupHierarchy {
    pub version: CgroupVersion,
    /// Those of `memory`, `pids`, `cpu` and (v1 only) `cpuacct` that it keeps for us. A v2 hierarchy without any still kills a
    /// leaf at once.
    pub controllers: Vec<String>,
    /// Absolute directory below which `bullpen/INSTANCE/SERIAL` leaves are made. On v2 no process is in it, unless it is the root.
    pub directory: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CgroupVersion {
    V1,
    V2,
}

/// One root file system as data: what is visible, nothing else is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RootPlan {
    pub name: String,
    /// Host directories bound read-only, `nosuid`, `nodev`, at the same path, in order.
    pub binds: Vec<BindPlan>,
    /// Symbolic links made in the root: (path, target).
    pub symlinks: Vec<(String, String)>,
    /// Files of the generated `/etc` (and any other): path inside, text.
    pub files: Vec<(String, String)>,
    /// Host paths copied into the generated `/etc`, recursively, links kept as links: regular files ≤ 16 MiB, missing ones skipped,
    /// and so is what not everybody on the host may read.
    pub copies: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BindPlan {
    pub source: String,
    pub target: String,
}

/// What can be made before a job is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SandboxPlan {
    /// Name of a [`RootPlan`].
    pub root: String,
    /// 0-based; no two live sandboxes share one.
    pub slot: u32,
    /// Bring `lo` up in the sandbox's own network namespace.
    pub loopback: bool,
    /// Host paths, each at its own place. Empty, or at least one of them is granted.
    pub paths: Vec<PathPlan>,
}

/// The job's limits on the sandbox's own leaf and workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimLimits {
    /// With a private loopback its sockets may hold up to half of it (at most 128 MiB) on top, where the kernel can't charge it here.
    pub memory_bytes: u64,
    /// Tasks of the job; the sandbox's own PID 1 comes on top.
    pub processes: u64,
    /// Thousandths of one CPU.
    pub cpu_millis: u64,
    /// Bytes and inodes of everything writable together.
    pub disk_bytes: u64,
    pub inodes: u64,
}

/// One program to run; travels as JSON in a sealed memfd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecSpec {
    /// `argv[0]` is looked up in `PATH` of `env` when it has no slash.
    pub argv: Vec<String>,
    /// The whole environment, in order.
    pub env: Vec<(String, String)>,
    pub cwd: String,
    pub open_files: u64,
    /// `RLIMIT_FSIZE`, bytes.
    pub file_size_bytes: u64,
    /// Compiled classic BPF: 8 bytes an instruction in host order (`struct sock_filter`), base64.
    pub seccomp: String,
    /// Refuse TCP bind and connect by Landlock as well (no INET at all in this job).
    pub landlock_deny_tcp: bool,
    /// Not the program, but this, as confined as that would be: for probes. No job has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// What a program could try, done by the payload itself once it is confined: no program of the host is needed for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Trial {
    /// One attempt after the other. Each writes a line on stdout: its name, and the errno that it met (0: it worked) or what it read.
    Attempts(Attempts),
    /// A system call that both filters refuse, likewise.
    Inotify,
    /// Uses so much memory for so long.
    Memory { bytes: u64, ms: u64 },
    /// Uses so much CPU time.
    Spin { ms: u64 },
    /// Sleeps so long, and so does a child that ignores what asks it to end.
    Sleep { ms: u64 },
}

/// What attempts aim at; what is missing is not aimed at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attempts {
    /// A process of the host that lives.
    pub process: Option<i32>,
    /// A directory of the host that is there.
    pub directory: Option<String>,
    /// A UDP port on the host's 127.0.0.1.
    pub udp_port: Option<u16>,
    /// A System V shared memory segment of the host.
    pub segment: Option<i32>,
    /// The sandbox's limits, to go beyond.
    pub disk_bytes: u64,
    pub inodes: u64,
    pub open_files: u64,
    pub processes: u64,
}

/// Why a step ended: the first cause that was acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The main program ended by itself.
    Exit,
    WallTime,
    CpuTime,
    /// `oom_kill` of the leaf rose above 0, or the sockets of a private loopback held more than their share.
    Memory,
    /// The library saw more output than allowed.
    Output,
    Cancelled,
    /// The worker gives up its claim to the job: drain, lock lost, closing.
    Abandoned,
    /// The worker did not say in time that the job is still its own.
    Tenure,
    /// The sandbox's PID 1 died without our doing.
    InitDied,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, tag = "kind")]
pub enum Event {
    /// Answer to `Hello`: what this host gave, in the order in which it was set up.
    #[serde(rename_all = "camelCase")]
    Ready { version: u32, landlock_abi: u32 },
    #[serde(rename_all = "camelCase")]
    Refused { error: StepError },
    /// Carries one descriptor: the root of the sandbox's writable file system (with `work/`, `tmp/`, `shm/`), open for directory operations.
    #[serde(rename_all = "camelCase")]
    Provisioned { sandbox: u64, uid: u32, gid: u32, layers: Vec<Layer>, stages: Vec<Stage> },
    /// A host path can't be what the policy says: the caller's affair. `path` is its index in [`SandboxPlan::paths`].
    #[serde(rename_all = "camelCase")]
    PathRefused { sandbox: u64, path: u32, rule: PathRule },
    #[serde(rename_all = "camelCase")]
    Claimed { sandbox: u64, layers: Vec<Layer> },
    /// The clerk has ended and was reaped; all that it said is in the stream.
    #[serde(rename_all = "camelCase")]
    ClerkEnded { sandbox: u64, status: ExitStatus },
    #[serde(rename_all = "camelCase")]
    Started { sandbox: u64, step: u32, layers: Vec<Layer>, posture: Option<Posture>, stages: Vec<Stage> },
    /// The program could not be executed: the guest's affair (127 or 126). Everything is as before the `Exec`, except when `last`: then the sandbox is dead.
    #[serde(rename_all = "camelCase")]
    ExecFailed { sandbox: u64, step: u32, errno: i32 },
    #[serde(rename_all = "camelCase")]
    Ended { sandbox: u64, step: u32, evidence: Evidence },
    /// Instead of any other answer but `Ended` and `Deprovisioned`: the sandbox's tenure is over, and all in it dead or dying.
    #[serde(rename_all = "camelCase")]
    Lapsed { sandbox: u64 },
    #[serde(rename_all = "camelCase")]
    Deprovisioned { sandbox: u64, stages: Vec<Stage> },
    #[serde(rename_all = "camelCase")]
    Failed { sandbox: u64, error: StepError },
}

/// One layer that was applied, with the value that was read back or returned by the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layer {
    pub layer: String,
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stage {
    pub stage: String,
    pub us: u64,
}

/// Kernel evidence of one step, read after everything of the step was dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    pub cause: Cause,
    /// How the main program ended; `None` when it was still running and was killed with the rest.
    pub status: Option<ExitStatus>,
    pub wall_time_us: u64,
    pub cpu_time_us: u64,
    /// Time that others kept the main thread waiting for a CPU since it was executed: less what its own job's processes used, and less
    /// the throttling that its own CPU limit asks for. Rather too little than too much.
    pub cpu_wait_us: u64,
    /// `None` where the kernel doesn't keep it, or can't tell this step's from an earlier one's of the sandbox.
    pub memory_peak_bytes: Option<u64>,
    /// Likewise.
    pub processes_peak: Option<u64>,
    pub oom_kills: u64,
    /// `pids.events` `max`: how often a fork or clone was refused.
    pub forks_refused: u64,
    /// How long it was held back for its share of the CPUs, set-up included.
    pub throttled_us: u64,
    pub disk_full: bool,
    pub inodes_full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ExitStatus {
    Code(i32),
    Signal(i32),
}

/// The state of the payload as the kernel shows it to the forkserver after exec (for probes and tests).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Posture {
    /// Selected lines of `/proc/PID/status`: Uid, Gid, Groups, NoNewPrivs, Seccomp, Seccomp_filters, CapInh, CapPrm, CapEff, CapBnd, CapAmb.
    pub status: Vec<(String, String)>,
    /// Namespace kinds that differ from the forkserver's own.
    pub own_namespaces: Vec<String>,
    /// `/proc/PID/cgroup` as the host sees it.
    pub cgroup: String,
    /// Open descriptors.
    pub fds: Vec<i32>,
    pub mountinfo: String,
}

/// Our own failure: which step, which errno, which layer it takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepError {
    /// Name of a variant of the forkserver's `Step`, e.g. `PivotRoot`.
    pub step: String,
    pub errno: i32,
    /// The layer that can't hold because of it, where there is one.
    pub layer: Option<String>,
    pub message: String,
}
