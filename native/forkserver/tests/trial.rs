//! The attempts of a trial, made in a sandbox: what each one meets there, and what ends those that would go on.

mod harness;

use forkserver::wire::{Attempts, Cause, ClaimLimits, Substitute, Trial};
use harness::{Ask, Delegated, Forkserver, Ran, deny, exec, kinds, limits, start_as_user};
use std::net::UdpSocket;

const MIB: u64 = 1 << 20;
const SUBSTITUTES: [(&str, &str); 4] =
    [("cgroup-memory", "polling"), ("cgroup-pids", "rlimit"), ("cgroup-cpu", "polling"), ("uid", "shared")];

fn trial(what: Trial) -> Ask {
    let mut ask = exec(&["trial"]);
    ask.spec.trial = Some(what);
    ask
}

fn answers(ran: &Ran) -> Vec<(&str, &str)> {
    ran.exited(0);
    ran.stdout.lines().map(|line| line.split_once(' ').expect("two words")).collect()
}

fn small() -> ClaimLimits {
    ClaimLimits { processes: 8, disk_bytes: MIB, inodes: 64, memory_bytes: 32 * MIB, ..limits() }
}

/// Everywhere, with everything of this host aimed at, the answers are these.
fn refused_everywhere(server: &mut Forkserver) -> Ran {
    let listener = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    listener.set_nonblocking(true).expect("set");
    // SAFETY: plain numbers; it is removed below.
    let segment = unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o666) };
    assert!(segment >= 0);
    let mut ask = trial(Trial::Attempts(Attempts {
        process: Some(std::process::id() as i32),
        directory: Some(server.stage_dir().to_str().expect("UTF-8").to_owned()),
        udp_port: Some(listener.local_addr().expect("an address").port()),
        segment: Some(segment),
        disk_bytes: MIB,
        inodes: 64,
        open_files: 32,
        processes: 8,
    }));
    ask.spec.open_files = 32;
    let ran = server.claimed_with(small()).run_last(ask);
    // SAFETY: removing takes no third argument.
    unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) };
    let errno = |number: i32| number.to_string();
    let expected = [
        ("chroot", errno(libc::EPERM)),
        ("unshare", errno(libc::ENOSPC)),
        ("setuid", errno(libc::EINVAL)),
        ("seccomp", errno(0)),
        ("kill", errno(libc::ESRCH)),
        ("stat", errno(libc::ENOENT)),
        ("sendto", errno(libc::ENETUNREACH)),
        ("shmctl", errno(libc::EINVAL)),
        ("uname", "bullpen".to_owned()),
        ("cgroup", "/".to_owned()),
        ("mkdir", errno(libc::EROFS)),
        ("mknod", errno(libc::EACCES)),
        ("dup", errno(libc::EMFILE)),
        ("write", errno(libc::ENOSPC)),
        ("create", errno(libc::ENOSPC)),
        ("fork", errno(libc::EAGAIN)),
    ];
    assert_eq!(answers(&ran), expected.iter().map(|(name, answer)| (*name, &**answer)).collect::<Vec<_>>());
    assert!(listener.recv(&mut [0; 8]).is_err(), "nothing arrived");
    ran
}

#[test]
fn every_attempt_is_refused() {
    let ran = refused_everywhere(&mut Forkserver::start());
    assert!(ran.evidence().forks_refused > 0, "{:?}", ran.evidence());
}

#[test]
fn an_ordinary_user_is_refused_no_less() {
    let delegated = Delegated::of(&kinds().pop().expect("a kind"));
    refused_everywhere(&mut delegated.start(&[("uid", "shared")]));
}

#[test]
fn without_control_groups_what_stands_in_for_them_refuses() {
    let mut server = start_as_user(None, |plan| {
        plan.cgroups.clear();
        plan.substitutes = SUBSTITUTES.map(|(layer, by)| Substitute { layer: layer.into(), by: by.into() }).to_vec();
    });
    refused_everywhere(&mut server);
    // Over before anybody looks at it.
    server.claimed().run_last(trial(Trial::Inotify)).exited(0);
    let sleep = Ask { wall_time_ms: 300, ..trial(Trial::Sleep { ms: 60_000 }) };
    assert_eq!(server.claimed().run_last(sleep).evidence().cause, Cause::WallTime);
    let memory = trial(Trial::Memory { bytes: 64 * MIB, ms: 60_000 });
    assert_eq!(server.claimed_with(small()).run_last(memory).evidence().cause, Cause::Memory);
    let spin = Ask { cpu_time_ms: 15, ..trial(Trial::Spin { ms: 60_000 }) };
    assert_eq!(server.claimed().run_last(spin).evidence().cause, Cause::CpuTime);
}

#[test]
fn below_its_limits_nothing_is_refused() {
    let aims = Attempts { disk_bytes: MIB, inodes: 16, open_files: 32, processes: 8, ..Attempts::default() };
    let ran = Forkserver::start().claimed().run_last(trial(Trial::Attempts(aims)));
    let found = answers(&ran);
    for name in ["dup", "write", "create", "fork"] {
        assert!(found.contains(&(name, "0")), "{name} in {found:?}");
    }
    assert!(!found.iter().any(|(name, _)| ["kill", "stat", "sendto", "shmctl"].contains(name)), "no aim, no attempt");
}

#[test]
fn a_call_is_refused_by_its_filter_only() {
    let mut server = Forkserver::start();
    assert_eq!(answers(&server.claimed().run_last(trial(Trial::Inotify))), [("inotify_init1", "0")]);
    let mut ask = trial(Trial::Inotify);
    ask.spec.seccomp = deny(libc::SYS_inotify_init1, libc::ENOSYS);
    let ran = server.claimed().run_last(ask);
    assert_eq!(answers(&ran), [("inotify_init1", &*libc::ENOSYS.to_string())]);
}

#[test]
fn more_memory_than_allowed_is_the_end() {
    let mut server = Forkserver::start();
    let memory = || trial(Trial::Memory { bytes: 64 * MIB, ms: 0 });
    let ran = server.claimed_with(small()).run_last(memory());
    assert_eq!(ran.evidence().cause, Cause::Memory, "{:?}", ran.evidence());
    assert!(ran.evidence().oom_kills > 0, "{:?}", ran.evidence());
    server.claimed().run_last(memory()).exited(0);
}

#[test]
fn more_cpu_time_than_allowed_is_the_end_and_its_share_is_held() {
    let mut server = Forkserver::start();
    let spin = |cpu_time_ms: u64| Ask { cpu_time_ms, ..trial(Trial::Spin { ms: 100 }) };
    let share = ClaimLimits { cpu_millis: 50, ..small() };
    let ran = server.claimed_with(share).run_last(spin(15));
    assert_eq!(ran.evidence().cause, Cause::CpuTime, "{:?}", ran.evidence());
    assert!(ran.evidence().throttled_us > 0, "{:?}", ran.evidence());
    let whole = ClaimLimits { cpu_millis: 4_000, ..small() };
    assert_eq!(server.claimed_with(whole).run_last(spin(5_000)).exited(0).throttled_us, 0);
}

#[test]
fn more_time_than_allowed_is_the_end() {
    let mut server = Forkserver::start();
    let sleep = |ms: u64| Ask { wall_time_ms: 300, ..trial(Trial::Sleep { ms }) };
    let ran = server.claimed().run_last(sleep(60_000));
    assert_eq!(ran.evidence().cause, Cause::WallTime, "{:?}", ran.evidence());
    server.claimed().run_last(Ask { wall_time_ms: 60_000, ..sleep(20) }).exited(0);
}
