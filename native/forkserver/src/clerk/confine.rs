//! What a clerk gives up before it reads a byte.

use crate::capabilities;
use crate::ids::Ids;
use crate::step::{At, Failure, Step};
use crate::sys;
use ::landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, make_bitflags,
};
use leave_out::Part;
use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Signal, Uid, set_dumpable_behavior, set_parent_process_death_signal,
    setrlimit, umask,
};
use rustix::thread::{set_no_new_privs, set_thread_res_gid, set_thread_res_uid};
use std::os::fd::BorrowedFd;

/// Address space, this program's own included. Patterns and paths take the most: some tens of megabytes.
const MEMORY: u64 = 512 << 20;
/// CPU time, in seconds.
const CPU: u64 = 30;
/// A walk holds a directory for each of 64 levels.
const OPEN_FILES: u64 = 96;

/// Becomes the slot's user with nothing but `workspace`, for good. What failed is in [`Failure::about`].
pub fn confine(workspace: BorrowedFd<'_>, ids: Ids) -> Result<(), Failure> {
    let named = |what: &'static str| move |failure: Failure| failure.about(what);
    become_slot(ids).at(Step::Clerk).map_err(named("become the slot"))?;
    if !leave_out::is(Part::ClerkLimits) {
        limit().at(Step::Clerk).map_err(named("limit"))?;
    }
    set_no_new_privs(true).at(Step::Clerk).map_err(named("give up privileges"))?;
    restrict_to(workspace)?;
    if leave_out::is(Part::ClerkSeccomp) {
        return Ok(());
    }
    let filter = filter(libc::SECCOMP_RET_KILL_PROCESS);
    sys::install_seccomp(&filter).at(Step::Clerk).map_err(named("filter system calls"))
}

fn become_slot(ids: Ids) -> rustix::io::Result<()> {
    // Files get the modes that they are asked for.
    umask(Mode::empty());
    // Without it the change of uid would take what is needed to empty the bounding set.
    capabilities::lock()?;
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    if !leave_out::is(Part::ClerkIds) {
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
    }
    capabilities::drop_all()?;
    // Both are undone by a change of ids.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn limit() -> rustix::io::Result<()> {
    for (resource, limit) in [(Resource::As, MEMORY), (Resource::Cpu, CPU), (Resource::Nofile, OPEN_FILES)] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// No file but those of the box can be opened or made, and no process be signalled.
fn restrict_to(workspace: BorrowedFd<'_>) -> Result<(), Failure> {
    if leave_out::is(Part::ClerkLandlock) {
        return Ok(());
    }
    let number = sys::landlock_abi().at(Step::Clerk)?;
    let abi = ABI::from(i32::try_from(number).unwrap_or(i32::MAX));
    let refused = |reason: String| Failure::new(Step::Clerk, libc::EINVAL).about(format!("Landlock: {reason}"));
    match enforce(abi, workspace) {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(partly) => Err(refused(format!("{partly:?}"))),
        Err(error) => Err(refused(error.to_string())),
    }
}

fn enforce(abi: ABI, workspace: BorrowedFd<'_>) -> Result<RulesetStatus, Box<dyn std::error::Error>> {
    let mut ruleset =
        Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(abi))?;
    let (network, scopes) = (AccessNet::from_all(abi), Scope::from_all(abi));
    if !network.is_empty() {
        ruleset = ruleset.handle_access(network)?;
    }
    if !scopes.is_empty() {
        ruleset = ruleset.scope(scopes)?;
    }
    let own = make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | MakeReg | MakeDir});
    Ok(ruleset.create()?.add_rule(PathBeneath::new(workspace, own))?.restrict_self()?.ruleset)
}

/// Calls on files of the box, on the stream, and for memory; nothing else of the kernel.
const ALLOWED: [libc::c_long; 38] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_readv,
    libc::SYS_close,
    libc::SYS_openat2,
    libc::SYS_mkdirat,
    libc::SYS_fchmodat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_lseek,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_sched_getaffinity,
    libc::SYS_restart_syscall,
    libc::SYS_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// A filter that answers everything but [`ALLOWED`] with `otherwise`, other architectures' calls included.
fn filter(otherwise: u32) -> Vec<libc::sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const NUMBER_AT: u32 = 0;
    const ARCHITECTURE_AT: u32 = 4;
    let one = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut filter = vec![
        one(LOAD, 0, 0, ARCHITECTURE_AT),
        one(JUMP_IF_EQUAL, 1, 0, ARCHITECTURE),
        one(RETURN, 0, 0, otherwise),
        one(LOAD, 0, 0, NUMBER_AT),
    ];
    for (index, number) in ALLOWED.iter().enumerate() {
        let to_the_end = (ALLOWED.len() - index) as u8;
        filter.push(one(JUMP_IF_EQUAL, to_the_end, 0, *number as u32));
    }
    filter.push(one(RETURN, 0, 0, otherwise));
    filter.push(one(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    filter
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, open, openat};
    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType, socket};
    use std::os::fd::AsFd;

    /// On a thread of its own, which is all that is restricted.
    fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().expect("a thread"))
    }

    #[test]
    fn only_the_box_is_opened() {
        let here = tempfile::tempdir().expect("a directory");
        std::fs::write(here.path().join("own"), "x").expect("a file");
        let workspace = open(here.path(), OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("open");
        let look = || {
            let own = openat(&workspace, "own", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(drop);
            let host = open("/etc/passwd", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(drop);
            let made = rustix::fs::mkdirat(&workspace, "made", Mode::RWXU);
            let linked = rustix::fs::symlinkat("/etc", &workspace, "link");
            let _ = rustix::fs::unlinkat(&workspace, "link", rustix::fs::AtFlags::empty());
            let _ = rustix::fs::unlinkat(&workspace, "made", rustix::fs::AtFlags::REMOVEDIR);
            (own, host, made, linked)
        };
        let restricted = apart(|| {
            set_no_new_privs(true).expect("no new privileges");
            restrict_to(workspace.as_fd()).expect("Landlock");
            look()
        });
        assert_eq!(restricted, (Ok(()), Err(Errno::ACCESS), Ok(()), Err(Errno::ACCESS)));
        std::fs::remove_dir(here.path().join("made")).expect("made, and not removed");
        assert_eq!(apart(look), (Ok(()), Ok(()), Ok(()), Ok(())));
    }

    #[test]
    fn only_calls_on_files_are_answered() {
        let workspace = open("/", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).expect("open");
        let look = || {
            let opened = open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map(drop);
            let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None).map(drop);
            let beneath = rustix::fs::openat2(
                &workspace,
                "etc",
                OFlags::PATH | OFlags::CLOEXEC,
                Mode::empty(),
                rustix::fs::ResolveFlags::BENEATH,
            );
            (opened, socket, beneath.map(drop))
        };
        let filtered = apart(|| {
            set_no_new_privs(true).expect("no new privileges");
            sys::install_seccomp(&filter(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32)).expect("seccomp");
            look()
        });
        assert_eq!(filtered, (Err(Errno::PERM), Err(Errno::PERM), Ok(())));
        assert_eq!(apart(look), (Ok(()), Ok(()), Ok(())));
    }
}
