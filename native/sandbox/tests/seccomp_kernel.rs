//! The compiled filters in the kernel: each check is a process of its own, because a filter can't be taken off again.
//! No test harness: forking must happen in a process with one thread.

#[path = "seccomp/kernel.rs"]
mod kernel;
#[path = "seccomp/load.rs"]
mod load;

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::{End, call, confined};
use load::load;
use sandbox::seccomp::{CompiledFilter, Profile, Sockets, compile};

const EPERM: i64 = -(libc::EPERM as i64);
const ENOSYS: i64 = -(libc::ENOSYS as i64);
const ENOTTY: i64 = -(libc::ENOTTY as i64);
/// `ret ALLOW`, a filter that refuses nothing.
const ALLOW_ALL: [u8; 8] = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];
const EAFNOSUPPORT: i64 = -(libc::EAFNOSUPPORT as i64);

fn main() {
    let strict = compile(Profile::Strict, Sockets::Local).unwrap();
    let loopback = compile(Profile::Strict, Sockets::Loopback).unwrap();
    let compatible = compile(Profile::Compatible, Sockets::Local).unwrap();
    let checks: &[(&str, &dyn Fn())] = &[
        ("an ordinary program runs to its end", &|| ordinary_program(&strict)),
        ("dangerous calls are refused", &|| dangerous_calls(&[&strict, &loopback, &compatible])),
        ("unknown calls do not exist", &|| unknown_calls(&strict)),
        ("families without a network", &|| local_families(&[&strict, &compatible])),
        ("families with a loopback interface", &|| loopback_families(&loopback)),
        ("32-bit calls kill", &|| int80(&[&strict, &compatible])),
        ("x32 calls kill", &|| x32(&[&strict, &compatible])),
        ("all threads die of a foreign call", &|| kills_the_process(&strict)),
        ("pushing back input is refused", &|| pushed_back_input(&strict)),
        ("the core limit stays as it is", &|| core_limit(&[&strict, &compatible])),
        ("loading is fast", &|| load_time(&[("strict", &strict), ("compatible", &compatible)])),
    ];
    let failed = checks.iter().filter(|(name, check)| !passes(name, check)).count();
    std::process::exit(if failed == 0 { 0 } else { 1 });
}

/// Runs a check and says how it went in the words of the ordinary harness.
fn passes(name: &str, check: &dyn Fn()) -> bool {
    let passed = catch_unwind(AssertUnwindSafe(check)).is_ok();
    println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
    passed
}

fn expect(filter: &CompiledFilter, what: &str, wanted: i64, asked: impl Fn() -> i64) {
    let end = confined(filter.as_bytes(), || {
        let answer = asked();
        if answer == wanted { 0 } else { 1 + (-answer & 0x7f) as i32 }
    });
    assert_eq!(end, End::Code(0), "{what}: wanted {wanted}; the code is 1 + errno");
}

fn ordinary_program(filter: &CompiledFilter) {
    let end = confined(filter.as_bytes(), || {
        let thread = std::thread::spawn(|| std::fs::read("/proc/self/status").map(|text| text.len()));
        let read = thread.join().is_ok_and(|length| length.is_ok_and(|length| length > 0));
        let ran = std::process::Command::new("/bin/sh").args(["-c", "echo $((6*7)) | grep -q 42"]).status();
        if read && ran.is_ok_and(|status| status.success()) { 0 } else { 1 }
    });
    assert_eq!(end, End::Code(0));
}

fn dangerous_calls(filters: &[&CompiledFilter]) {
    let refused: &[(&str, libc::c_long)] = &[
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("mount", libc::SYS_mount),
        ("pivot_root", libc::SYS_pivot_root),
        ("bpf", libc::SYS_bpf),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("keyctl", libc::SYS_keyctl),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("statmount", 457),
        ("open_tree_attr", 467),
    ];
    for filter in filters {
        for (name, number) in refused {
            expect(filter, name, EPERM, || call(*number, &[0; 6]));
        }
        expect(filter, "clone3", ENOSYS, || call(libc::SYS_clone3, &[0, 0]));
        let namespace = (libc::CLONE_NEWUSER | libc::SIGCHLD) as u64;
        expect(filter, "clone of a user namespace", EPERM, || call(libc::SYS_clone, &[namespace]));
        expect(filter, "the same with bit 40", EPERM, || call(libc::SYS_clone, &[namespace | 1 << 40]));
    }
}

fn unknown_calls(filter: &CompiledFilter) {
    for number in [
        libc::SYS_shmget,
        libc::SYS_mq_open,
        libc::SYS_mincore,
        libc::SYS_inotify_init1,
        libc::SYS_pidfd_open,
        451,
        999,
    ] {
        expect(filter, "a call outside the list", ENOSYS, || call(number, &[0; 6]));
    }
}

fn local_families(filters: &[&CompiledFilter]) {
    for filter in filters {
        for family in (0..47).filter(|family| *family != libc::AF_UNIX) {
            expect(filter, "socket", EAFNOSUPPORT, || call(libc::SYS_socket, &[family as u64, 1, 0]));
            expect(filter, "socketpair", EAFNOSUPPORT, || call(libc::SYS_socketpair, &[family as u64, 1, 0, 0]));
        }
        expect(filter, "unix socket", 0, || call(libc::SYS_socket, &[1, 1, 0]).min(0));
        expect(filter, "INET with bit 40", EAFNOSUPPORT, || call(libc::SYS_socket, &[2 | 1 << 40, 1, 0]));
    }
}

fn loopback_families(filter: &CompiledFilter) {
    expect(filter, "TCP", 0, || call(libc::SYS_socket, &[2, 1, 0]).min(0));
    expect(filter, "UDP over IPv6", 0, || call(libc::SYS_socket, &[10, 2, 17]).min(0));
    expect(filter, "route netlink", 0, || call(libc::SYS_socket, &[16, 3, 0]).min(0));
    expect(filter, "raw", EPERM, || call(libc::SYS_socket, &[2, 3, 1]));
    expect(filter, "ping", EPERM, || call(libc::SYS_socket, &[2, 2, 1]));
    expect(filter, "SCTP", EPERM, || call(libc::SYS_socket, &[2, 1, 132]));
    expect(filter, "XFRM netlink", EPERM, || call(libc::SYS_socket, &[16, 3, 6]));
    expect(filter, "VSOCK", EAFNOSUPPORT, || call(libc::SYS_socket, &[40, 1, 0]));
}

fn int80(filters: &[&CompiledFilter]) {
    for filter in filters {
        let end = confined(filter.as_bytes(), || {
            // SAFETY: getpid (20) by the 32-bit entry touches nothing but the accumulator.
            unsafe { std::arch::asm!("int 0x80", inlateout("rax") 20_u64 => _) };
            0
        });
        assert_eq!(end, End::Signal(libc::SIGSYS));
    }
}

fn x32(filters: &[&CompiledFilter]) {
    for filter in filters {
        let end = confined(filter.as_bytes(), || call(libc::SYS_getpid | 0x4000_0000, &[]) as i32);
        assert_eq!(end, End::Signal(libc::SIGSYS));
    }
}

fn kills_the_process(filter: &CompiledFilter) {
    let end = confined(filter.as_bytes(), || {
        let thread = std::thread::spawn(|| call(libc::SYS_getpid | 0x4000_0000, &[]));
        // Only a killed process doesn't come back from this.
        let _ = thread.join();
        0
    });
    assert_eq!(end, End::Signal(libc::SIGSYS));
}

fn pushed_back_input(filter: &CompiledFilter) {
    for high in [0, 1 << 32, 1 << 40, 1 << 63] {
        expect(filter, "TIOCSTI", ENOTTY, || call(libc::SYS_ioctl, &[0, libc::TIOCSTI | high, c"x".as_ptr() as u64]));
    }
}

/// A crash starts the handler that `core_pattern` names behind a `|` whatever the limit is, except when it is 1.
fn core_limit(filters: &[&CompiledFilter]) {
    assert_eq!(lower_core_limit(&[]), 0, "the control: without a filter the limit goes from 1 to 0");
    for filter in filters {
        assert_eq!(lower_core_limit(filter.as_bytes()), 1);
    }
}

/// Puts the core limit to 1, then under a filter (none if it is empty) tries every way to lower it; gives what it is in the end.
fn lower_core_limit(program: &[u8]) -> i32 {
    let set = |limit: u64| {
        let new = [limit, limit];
        let pointer = new.as_ptr() as u64;
        let core = u64::from(libc::RLIMIT_CORE);
        call(libc::SYS_setrlimit, &[core, pointer]);
        call(libc::SYS_setrlimit, &[core | 1 << 40, pointer]);
        call(libc::SYS_prlimit64, &[0, core, pointer, 0]);
        call(libc::SYS_prlimit64, &[0, core | 1 << 40, pointer, 0]);
    };
    let end = confined(&ALLOW_ALL, || {
        set(1);
        if !program.is_empty() && load(program).is_none() {
            return 125;
        }
        set(0);
        let mut left = [9_u64; 2];
        call(libc::SYS_prlimit64, &[0, u64::from(libc::RLIMIT_CORE), 0, left.as_mut_ptr() as u64]);
        left[0] as i32
    });
    let End::Code(left) = end else { panic!("{end:?}") };
    left
}

fn load_time(filters: &[(&str, &CompiledFilter)]) {
    let end = confined(&[], || 0);
    assert_eq!(end, End::Code(125), "an empty program can't be loaded, so the check below means something");
    for (name, filter) in filters {
        let mut times: Vec<u8> = (0..21).map(|_| one_load(filter)).collect();
        times.sort_unstable();
        // In units of 10 µs. About 10 of them on an idle machine; ten times that while other tests run.
        assert!(times[10] < 100, "median {} µs", u32::from(times[10]) * 10);
        println!("   {name}: {} instructions, median {} µs", filter.instructions(), u32::from(times[10]) * 10);
    }
}

fn one_load(filter: &CompiledFilter) -> u8 {
    // SAFETY: one thread; the child loads the filter and exits.
    match unsafe { libc::fork() } {
        0 => {
            let units = load(filter.as_bytes()).map_or(255, |time| (time.as_micros() / 10).min(250) as i32);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(units) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for our own child, into a local.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            libc::WEXITSTATUS(status) as u8
        }
    }
}
