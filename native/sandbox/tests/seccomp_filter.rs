//! The compiled filters, asked call by call what they would do. Nothing is loaded here.

#[path = "seccomp/bpf.rs"]
mod bpf;
#[path = "seccomp/cases.rs"]
mod cases;
#[path = "seccomp/errno.rs"]
mod errno;

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::LazyLock;

use bpf::{Call, I386, X86_64, action_name, run};
use sandbox::seccomp::{Action, CompiledFilter, Profile, Sockets, compile};

static STRICT: LazyLock<CompiledFilter> = LazyLock::new(|| compile(Profile::Strict, Sockets::Local).unwrap());
static STRICT_LOOPBACK: LazyLock<CompiledFilter> =
    LazyLock::new(|| compile(Profile::Strict, Sockets::Loopback).unwrap());
static COMPATIBLE: LazyLock<CompiledFilter> = LazyLock::new(|| compile(Profile::Compatible, Sockets::Local).unwrap());
static COMPATIBLE_LOOPBACK: LazyLock<CompiledFilter> =
    LazyLock::new(|| compile(Profile::Compatible, Sockets::Loopback).unwrap());
static STRICT_PAIRS: LazyLock<CompiledFilter> = LazyLock::new(|| compile(Profile::Strict, Sockets::Pairs).unwrap());
static STRICT_LOOPBACK_PAIRS: LazyLock<CompiledFilter> =
    LazyLock::new(|| compile(Profile::Strict, Sockets::LoopbackPairs).unwrap());

const HIGH_BIT: u64 = 1 << 40;

fn all() -> [(&'static str, Profile, Sockets, &'static CompiledFilter); 6] {
    [
        ("strict", Profile::Strict, Sockets::Local, &STRICT),
        ("strict-loopback", Profile::Strict, Sockets::Loopback, &STRICT_LOOPBACK),
        ("compatible", Profile::Compatible, Sockets::Local, &COMPATIBLE),
        ("compatible-loopback", Profile::Compatible, Sockets::Loopback, &COMPATIBLE_LOOPBACK),
        ("strict-pairs", Profile::Strict, Sockets::Pairs, &STRICT_PAIRS),
        ("strict-loopback-pairs", Profile::Strict, Sockets::LoopbackPairs, &STRICT_LOOPBACK_PAIRS),
    ]
}

fn ask(filter: &CompiledFilter, number: libc::c_long, arguments: &[u64]) -> String {
    action_name(run(filter.as_bytes(), &Call::new(number, arguments)).0)
}

fn spell(action: Action) -> String {
    match action {
        Action::Allow => "allow".to_owned(),
        Action::Refuse(errno) => action_name(0x0005_0000 | errno as u32),
    }
}

#[test]
fn no_call_is_named_twice_in_a_profile() {
    for (name, profile, sockets, _) in all() {
        let (mut seen, mut numbers) = (HashSet::new(), HashSet::new());
        for call in profile.entries(sockets).flat_map(|entry| entry.calls) {
            assert!(seen.insert(call.name), "{} twice in {name}", call.name);
            assert!(numbers.insert(call.number), "{} has another call's number in {name}", call.name);
        }
    }
}

/// A reason is a sentence of its own: not a word, and not what another entry says already.
#[test]
fn every_entry_says_why_in_its_own_words() {
    for (name, profile, sockets, _) in all() {
        let mut said = HashMap::new();
        for entry in profile.entries(sockets) {
            let calls: Vec<&str> = entry.calls.iter().map(|call| call.name).collect();
            assert!(!calls.is_empty(), "an entry of {name} names no call: {}", entry.why);
            assert!(entry.why.split_whitespace().count() >= 4, "{calls:?} in {name}: {:?}", entry.why);
            assert!(entry.why.ends_with('.'), "{calls:?} in {name}: {:?}", entry.why);
            let other = said.insert(words(entry.why), calls.clone());
            assert_eq!(other, None, "{calls:?} and these in {name} have the same reason");
        }
    }
}

/// The words of a reason, whatever their order, case and punctuation.
fn words(why: &str) -> Vec<String> {
    let letters =
        |word: &str| word.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase();
    let mut words: Vec<String> = why.split_whitespace().map(letters).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn every_rule_decides_as_written_whatever_else_the_arguments_hold() {
    for (name, profile, sockets, filter) in all() {
        for case in profile.entries(sockets).flat_map(cases::of) {
            let answer = ask(filter, case.number.into(), &case.arguments);
            assert_eq!(answer, spell(case.wanted), "{name}: {case:x?}");
        }
    }
}

#[test]
fn foreign_architectures_and_x32_numbers_kill_the_process() {
    for (name, _, _, filter) in all() {
        for number in 0..600 {
            let native = Call::new(number, &[]);
            let i386 = Call { architecture: I386, ..native };
            let x32 = Call::new(number | 0x4000_0000, &[]);
            let arm = Call { architecture: 0xc000_00b7, ..native };
            for call in [i386, x32, arm] {
                assert_eq!(action_name(run(filter.as_bytes(), &call).0), "kill-process", "{name} {call:?}");
            }
        }
    }
}

#[test]
fn strict_answers_enosys_to_numbers_that_no_kernel_has_yet() {
    for number in (468..600).chain([1 << 20, 0x3fff_ffff, 0xffff_ffff]) {
        assert_eq!(ask(&STRICT, number, &[]), "ENOSYS", "{number}");
    }
}

#[test]
fn socket_families_follow_the_loopback_choice() {
    let socket = |filter: &CompiledFilter, family: u64, kind: u64, protocol: u64| {
        ask(filter, libc::SYS_socket, &[family, kind | libc::SOCK_CLOEXEC as u64, protocol])
    };
    for family in (0..64).chain([HIGH_BIT | 2, u64::MAX]) {
        let local = if family == 1 { "allow" } else { "EAFNOSUPPORT" };
        let own = match family as u32 {
            1 | 2 | 10 | 16 => "allow",
            _ => "EAFNOSUPPORT",
        };
        assert_eq!(socket(&STRICT, family, 1, 0), local, "{family}");
        assert_eq!(socket(&COMPATIBLE, family, 1, 0), local, "{family}");
        assert_eq!(socket(&STRICT_LOOPBACK, family, 1, 0), own, "{family}");
        assert_eq!(socket(&COMPATIBLE_LOOPBACK, family, 1, 0), own, "{family}");
        for filter in [&*STRICT, &*STRICT_LOOPBACK, &*COMPATIBLE, &*COMPATIBLE_LOOPBACK] {
            let pair = ask(filter, libc::SYS_socketpair, &[family, 1, 0]);
            assert_eq!(pair, local, "{family}");
        }
    }
}

#[test]
fn with_host_paths_there_are_no_unix_sockets_but_connected_pairs() {
    for family in (0..64).chain([HIGH_BIT | 1]) {
        let socket = |filter: &CompiledFilter| ask(filter, libc::SYS_socket, &[family, 1, 0]);
        assert_eq!(socket(&STRICT_PAIRS), "EAFNOSUPPORT", "{family}");
        let inet = matches!(family as u32, 2 | 10 | 16);
        assert_eq!(socket(&STRICT_LOOPBACK_PAIRS), if inet { "allow" } else { "EAFNOSUPPORT" }, "{family}");
    }
    for (kind, answer) in [
        (1, "allow"),
        (5, "allow"),
        (2, "EPERM"),
        (3, "EPERM"),
        (HIGH_BIT | 2, "EPERM"),
        (2 | 0o2_000_000, "EPERM"),
        (1 | 0o2_000_000, "allow"),
    ] {
        for filter in [&*STRICT_PAIRS, &*STRICT_LOOPBACK_PAIRS] {
            assert_eq!(ask(filter, libc::SYS_socketpair, &[1, kind, 0]), answer, "{kind}");
        }
    }
}

#[test]
fn loopback_means_tcp_and_udp_only() {
    let socket = |kind: u64, protocol: u64| ask(&STRICT_LOOPBACK, libc::SYS_socket, &[2, kind, protocol]);
    for kind in 0..16 {
        for protocol in (0..300).chain([HIGH_BIT | 132]) {
            let allowed = matches!((kind, protocol), (1, 0 | 6) | (2, 0 | 17));
            assert_eq!(socket(kind, protocol), if allowed { "allow" } else { "EPERM" }, "{kind} {protocol}");
        }
    }
    for protocol in 0..23 {
        let route = if protocol == 0 { "allow" } else { "EPERM" };
        assert_eq!(ask(&STRICT_LOOPBACK, libc::SYS_socket, &[16, 3, protocol]), route, "netlink {protocol}");
    }
}

#[test]
fn pushing_back_input_is_refused_with_high_bits_set_too() {
    for high in [0, HIGH_BIT, 1 << 32, 1 << 63] {
        assert_eq!(ask(&STRICT, libc::SYS_ioctl, &[0, 0x5412 | high]), "ENOTTY");
        assert_eq!(ask(&COMPATIBLE, libc::SYS_ioctl, &[0, 0x5412 | high]), "EPERM");
        assert_eq!(ask(&STRICT, libc::SYS_ioctl, &[0, 0x541b | high]), "allow");
    }
}

#[test]
fn threads_and_forks_pass_but_no_new_namespace_does() {
    let thread = 0x3d_0f00; // what glibc's pthread_create asks of clone
    for (name, _, _, filter) in all() {
        for flags in [thread, 0x1200011, 17] {
            assert_eq!(ask(filter, libc::SYS_clone, &[flags]), "allow", "{name} {flags:#x}");
            for bit in [17, 25, 26, 27, 28, 29, 30] {
                let asked = flags | 1 << bit;
                assert_eq!(ask(filter, libc::SYS_clone, &[asked]), "EPERM", "{name} {asked:#x}");
                assert_eq!(ask(filter, libc::SYS_clone, &[asked | HIGH_BIT]), "EPERM", "{name} {asked:#x}");
            }
        }
        assert_eq!(ask(filter, libc::SYS_clone3, &[0, 0]), "ENOSYS", "{name}");
    }
}

#[test]
fn no_profile_has_huge_pages_or_watches_shared_files() {
    for (name, _, _, filter) in all() {
        for high in [0, HIGH_BIT] {
            assert_eq!(ask(filter, libc::SYS_mmap, &[0, 1 << 21, 3, 0x40022 | high]), "ENOMEM", "{name}");
            assert_eq!(ask(filter, libc::SYS_mmap, &[0, 4096, 3, 0x22 | high]), "allow", "{name}");
            assert_eq!(ask(filter, libc::SYS_memfd_create, &[0, 4 | high]), "EINVAL", "{name}");
            assert_eq!(ask(filter, libc::SYS_memfd_create, &[0, 3 | high]), "allow", "{name}");
        }
        for call in [libc::SYS_inotify_init, libc::SYS_inotify_init1, libc::SYS_inotify_add_watch] {
            assert_eq!(ask(filter, call, &[]), "ENOSYS", "{name}");
        }
        assert_eq!(ask(filter, libc::SYS_fanotify_init, &[]), "EPERM", "{name}");
        assert_eq!(ask(filter, libc::SYS_fcntl, &[3, libc::F_NOTIFY as u64]), "EPERM", "{name}");
    }
}

#[test]
fn the_core_limit_can_be_read_and_not_set() {
    let core = u64::from(libc::RLIMIT_CORE);
    let low_half_zero = 1 << 32;
    for (name, _, _, filter) in all() {
        for high in [0, HIGH_BIT] {
            assert_eq!(ask(filter, libc::SYS_setrlimit, &[core | high, 0x1000]), "EPERM", "{name}");
            assert_eq!(ask(filter, libc::SYS_prlimit64, &[0, core | high, 0x1000, 0]), "EPERM", "{name}");
            assert_eq!(ask(filter, libc::SYS_prlimit64, &[0, core | high, low_half_zero, 0]), "EPERM", "{name}");
            assert_eq!(ask(filter, libc::SYS_prlimit64, &[7, core | high, u64::MAX, 0]), "EPERM", "{name}");
            assert_eq!(ask(filter, libc::SYS_prlimit64, &[0, core | high, 0, 0x1000]), "allow", "{name}");
            assert_eq!(ask(filter, libc::SYS_prlimit64, &[1, core | high, 0, 0x1000]), "EPERM", "{name}");
        }
        for other in (0..16).filter(|resource| *resource != core) {
            assert_eq!(ask(filter, libc::SYS_setrlimit, &[other, 0x1000]), "allow", "{name} {other}");
            assert_eq!(ask(filter, libc::SYS_prlimit64, &[0, other, 0x1000, 0]), "allow", "{name} {other}");
        }
        assert_eq!(ask(filter, libc::SYS_getrlimit, &[core, 0x1000]), "allow", "{name}");
    }
}

#[test]
fn a_filter_is_short_to_load_and_to_run() {
    for (name, _, _, filter) in all() {
        assert!(filter.instructions() <= 600, "{name} has {}", filter.instructions());
        for number in [libc::SYS_read, libc::SYS_write, libc::SYS_mmap, libc::SYS_futex, libc::SYS_clock_gettime] {
            let (_, steps) = run(filter.as_bytes(), &Call::new(number, &[]));
            assert!(steps <= 20, "{name}: {number} takes {steps} steps");
        }
    }
}

/// Every number with all-zero and with all-one arguments, against the table that is checked in.
/// `BULLPEN_WRITE_GOLDEN=1` writes the tables anew; read the difference before you commit it.
#[test]
fn the_whole_table_is_as_checked_in() {
    for (name, profile, sockets, filter) in all() {
        let names: HashMap<u32, &str> =
            profile.entries(sockets).flat_map(|entry| entry.calls).map(|call| (call.number, call.name)).collect();
        let table = table_of(filter, &names);
        let path = format!("{}/tests/golden/seccomp-{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("BULLPEN_WRITE_GOLDEN").is_some() {
            std::fs::write(&path, &table).unwrap();
        }
        assert_eq!(table, std::fs::read_to_string(&path).unwrap(), "{path}");
    }
}

fn table_of(filter: &CompiledFilter, names: &HashMap<u32, &str>) -> String {
    let mut table = String::from("# number, call: answer to all-zero arguments, to all-one arguments\n");
    for number in 0..600 {
        let name = names.get(&number).copied().unwrap_or("-");
        let zeros = ask(filter, number.into(), &[0; 6]);
        let ones = ask(filter, number.into(), &[u64::MAX; 6]);
        writeln!(table, "{number} {name}: {zeros} {ones}").unwrap();
    }
    let foreign = Call { architecture: X86_64 ^ 1, ..Call::new(0, &[]) };
    writeln!(table, "any other architecture: {}", action_name(run(filter.as_bytes(), &foreign).0)).unwrap();
    table
}
