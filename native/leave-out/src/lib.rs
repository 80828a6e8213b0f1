//! Parts of the confinement that a test build leaves out, one at a time: at least one test must then fail (`ops/mutants.ts`).
//!
//! Without the cargo feature `armed`, which no build for use has, nothing of this is compiled in: every question is answered
//! `false` before the program exists. With it, the name in [`VARIABLE`] says what to leave out.

use std::ffi::CString;

macro_rules! parts {
    ($($part:ident = $name:literal,)*) => {
        /// Everything that can be left out.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum Part {
            $($part),*
        }

        #[cfg(feature = "armed")]
        const NAMES: &[(&str, Part)] = &[$(($name, Part::$part)),*];
    };
}

parts! {
    SeccompWhole = "seccomp-whole",
    SeccompMount = "seccomp-mount",
    SeccompUnshare = "seccomp-unshare",
    SeccompSetns = "seccomp-setns",
    SeccompCloneFlags = "seccomp-clone-flags",
    SeccompClone3 = "seccomp-clone3",
    SeccompTracing = "seccomp-tracing",
    SeccompOtherProcesses = "seccomp-other-processes",
    SeccompBpf = "seccomp-bpf",
    SeccompPerf = "seccomp-perf",
    SeccompUserfaultfd = "seccomp-userfaultfd",
    SeccompIoUring = "seccomp-io-uring",
    SeccompKeys = "seccomp-keys",
    SeccompHandles = "seccomp-handles",
    SeccompChroot = "seccomp-chroot",
    SeccompModules = "seccomp-modules",
    SeccompKexec = "seccomp-kexec",
    SeccompAdministration = "seccomp-administration",
    SeccompClock = "seccomp-clock",
    SeccompWatchers = "seccomp-watchers",
    SeccompMemoryPolicy = "seccomp-memory-policy",
    SeccompPersonality = "seccomp-personality",
    SeccompPrlimit = "seccomp-prlimit",
    SeccompScheduling = "seccomp-scheduling",
    SeccompNiceness = "seccomp-niceness",
    SeccompIoctl = "seccomp-ioctl",
    SeccompHighHalf = "seccomp-high-half",
    SeccompPrctl = "seccomp-prctl",
    SeccompIds = "seccomp-ids",
    SeccompNodes = "seccomp-nodes",
    SeccompXattr = "seccomp-xattr",
    SeccompSockets = "seccomp-sockets",
    SeccompSocketOptions = "seccomp-socket-options",
    SeccompUnixWithHostPaths = "seccomp-unix-with-host-paths",
    SeccompSplice = "seccomp-splice",
    SeccompSendfile = "seccomp-sendfile",
    SeccompHugePages = "seccomp-huge-pages",
    SeccompTimers = "seccomp-timers",
    SeccompForeignArchitecture = "seccomp-foreign-architecture",
    SeccompX32 = "seccomp-x32",
    SeccompUnknown = "seccomp-unknown",
    LandlockWhole = "landlock-whole",
    LandlockWrite = "landlock-write",
    LandlockDeviceNodes = "landlock-device-nodes",
    LandlockDeviceIoctl = "landlock-device-ioctl",
    LandlockDoors = "landlock-doors",
    LandlockTcp = "landlock-tcp",
    LandlockSignals = "landlock-signals",
    LandlockAbstractSockets = "landlock-abstract-sockets",
    UserNamespace = "unshared-user",
    MountNamespace = "unshared-mounts",
    PidNamespace = "unshared-pids",
    NetworkNamespace = "unshared-network",
    IpcNamespace = "unshared-ipc",
    UtsNamespace = "unshared-uts",
    CgroupNamespace = "unshared-cgroups",
    MountLock = "mount-lock",
    MountReadonly = "mount-attribute-readonly",
    MountNosuid = "mount-attribute-nosuid",
    MountNodev = "mount-attribute-nodev",
    MountNoexec = "mount-attribute-noexec",
    ProcReadonly = "proc-attribute-readonly",
    ProcSubset = "proc-option-subset",
    ProcHidepid = "proc-option-hidepid",
    NamespaceLimits = "namespace-limits-outer",
    NestedNamespaceLimits = "namespace-limits-nested",
    OldRoot = "old-root-detached",
    HostName = "host-name-own",
    Groups = "groups-given-up",
    UidPerSlot = "uid-of-each-slot",
    SwitchIds = "ids-switched",
    CapabilitiesBounding = "capabilities-bounding",
    CapabilitiesSets = "capabilities-sets",
    SecureBits = "capabilities-secure-bits",
    NoNewPrivs = "privileges-not-new",
    ForkserverCapabilities = "forkserver-few-capabilities",
    RlimitCore = "rlimit-core",
    RlimitNofile = "rlimit-nofile",
    RlimitFsize = "rlimit-fsize",
    RlimitStack = "rlimit-stack",
    RlimitMemlock = "rlimit-memlock",
    RlimitMsgqueue = "rlimit-msgqueue",
    RlimitSigpending = "rlimit-sigpending",
    Umask = "umask-own",
    Session = "session-own",
    InitDescriptors = "descriptors-of-init",
    PayloadDescriptors = "descriptors-of-payload",
    Environment = "environment-cleared",
    PipeOwner = "pipes-given-away",
    InitDumpable = "init-not-dumpable",
    ForkserverDeathSignal = "forkserver-death-signal",
    OomScore = "oom-score-highest",
    LeafEntered = "leaf-entered",
    MemoryLimit = "memory-limit",
    SwapLimit = "memory-limit-swap",
    TasksLimit = "tasks-limit",
    CpuLimit = "cpu-share-limit",
    OomKillsAll = "oom-kill-ends-all",
    OomEvidence = "oom-kill-in-evidence",
    WallDeadline = "wall-time-deadline",
    CpuDeadline = "cpu-time-deadline",
    TenureDeadline = "tenure-deadline",
    KillNamespace = "kill-of-all-at-once",
    LeafEmpty = "leaf-empty-before-evidence",
    AloneBetweenSteps = "alone-between-steps",
    ClearBetweenSteps = "killed-between-steps",
    WorkspaceSize = "workspace-size",
    WorkspaceInodes = "workspace-inodes",
    DeviceNumber = "device-number-checked",
    SealedCopy = "sealed-copy-of-program",
    SealedCopyMode = "sealed-copy-closed",
    SpecSeals = "document-sealed",
    SlotFree = "slot-of-one-sandbox",
    CopiesForAll = "copies-readable-by-all",
    HostPathLinks = "host-path-links",
    HostPathMountsBelow = "host-path-mounts-below",
    HostPathAliases = "host-path-aliases",
    HostPathCover = "host-path-cover",
    HostPathHardLinks = "host-path-hard-links",
    HostPathPins = "host-path-pins",
    HostPathStrictest = "host-path-strictest",
    HostPathReadonly = "host-path-readonly",
    HostPathKinds = "host-path-kinds",
    ArtifactLinks = "artifact-links",
    ArtifactLinksAtOpen = "artifact-links-at-open",
    ArtifactWait = "artifact-pipes-without-waiting",
    ArtifactRegular = "artifact-regular-only",
    ArtifactHardLinks = "artifact-hard-links",
    ArtifactBytes = "artifact-bytes-limit",
    ArtifactCount = "artifact-count-limit",
    FillFresh = "inputs-into-fresh-files",
    ClerkIds = "clerk-has-ids-of-slot",
    ClerkLandlock = "clerk-landlock",
    ClerkSeccomp = "clerk-seccomp",
    ClerkDescriptors = "clerk-descriptors",
    ClerkLimits = "clerk-limits",
    OutputCap = "output-limit-kills",
    OutputKept = "output-limit-kept",
    WorkingDirectoryRule = "working-directory-rule",
    TrapNamespaceLimitsLate = "trap-namespace-limits-late",
    TrapOomByPeak = "trap-oom-by-peak",
    TrapLeafReused = "trap-leaf-reused",
    TrapDeathSignalInPayload = "trap-death-signal-in-payload",
    TrapEtcMissing = "trap-etc-missing",
    TrapLeafPages = "trap-leaf-pages-kept",
    // Not left out but brought in: a defect of our own, in a call or in the midst of a job. It must cost that alone.
    DefectInCall = "defect-in-call",
    DefectInJob = "defect-in-job",
}

/// Is this part left out?
#[cfg(not(feature = "armed"))]
#[inline(always)]
pub const fn is(_: Part) -> bool {
    false
}

/// What the programs that we start get in their environment: nothing.
#[cfg(not(feature = "armed"))]
pub fn environment() -> Vec<CString> {
    Vec::new()
}

#[cfg(feature = "armed")]
pub use chosen::{VARIABLE, environment, is};

#[cfg(feature = "armed")]
mod chosen {
    use super::{CString, NAMES, Part};
    use std::sync::OnceLock;

    /// The environment variable that names the part.
    pub const VARIABLE: &str = "BULLPEN_LEAVE_OUT";

    static CHOSEN: OnceLock<Option<Part>> = OnceLock::new();

    pub fn is(part: Part) -> bool {
        *CHOSEN.get_or_init(choose) == Some(part)
    }

    /// A name that is none ends the process: it would leave everything in, and no test could fail.
    fn choose() -> Option<Part> {
        let name = std::env::var(VARIABLE).ok()?;
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, part)) => Some(*part),
            None => std::process::abort(),
        }
    }

    /// The variable again, for the programs that we start.
    pub fn environment() -> Vec<CString> {
        let variable = std::env::var(VARIABLE).ok().and_then(|name| CString::new(format!("{VARIABLE}={name}")).ok());
        variable.into_iter().collect()
    }
}
