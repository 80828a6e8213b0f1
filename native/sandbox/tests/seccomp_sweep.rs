//! Every rule and every call number, asked of the kernel. No test harness: forking must happen in a process with one thread.

#[path = "seccomp/cases.rs"]
mod cases;
#[path = "seccomp/entry.rs"]
mod entry;
#[path = "seccomp/errno.rs"]
mod errno;
#[path = "seccomp/load.rs"]
mod load;
#[path = "seccomp/marked.rs"]
mod marked;
#[path = "seccomp/place.rs"]
mod place;
#[path = "seccomp/sweep.rs"]
mod sweep;
#[path = "seccomp/table.rs"]
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cases::Case;
use entry::Gate;
use load::load;
use marked::Seen;
use place::{Answers, apart, fork, wait};
use sandbox::seccomp::{Action, CompiledFilter, Profile, Sockets, compile};
use sweep::{Try, sweep};

const PROFILES: [Profile; 2] = [Profile::Strict, Profile::Compatible];
const SOCKETS: [Sockets; 4] = [Sockets::Local, Sockets::Loopback, Sockets::Pairs, Sockets::LoopbackPairs];

fn main() {
    let checks: &[(&str, &dyn Fn())] = &[
        ("every gate leads into the kernel, or is listed as one that may not", &gates),
        ("a rule that is left out shows, and the kernel's own refusal is told from it", &a_missing_rule_shows),
        ("what passes every filter does nothing", &unfiltered),
        ("every number by every gate is as the table says", &every_number),
        ("every rule holds in the kernel, with each argument changed", &every_rule),
        ("every refusal answers with the errno that was written", &plain_errnos),
        ("a rule that decides otherwise is noticed", &a_wrong_rule_is_noticed),
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

fn filter(profile: Profile) -> CompiledFilter {
    compile(profile, Sockets::Local).unwrap()
}

/// The control of the sweep: without a filter `getpid` by each gate answers with a process id. A kernel may be built without a
/// gate; then it must be listed, and the filter's kill, which comes before the kernel looks the number up, is still checked.
fn gates() {
    for gate in Gate::ALL {
        let tried = Try { gate, number: gate.getpid(), argument: 0 };
        let answer = sweep(None, &[tried])[0].answer;
        if answer.is_some_and(|pid| pid > 1) {
            println!("   {}: leads into the kernel", gate.name());
        } else {
            let why = table::may_lack(gate);
            println!("   {}: this kernel answers {answer:?} ({})", gate.name(), why.as_deref().unwrap_or("not listed"));
            assert!(why.is_some_and(|why| why.len() > 20), "{} answers {answer:?}", gate.name());
        }
    }
}

/// As nobody, `reboot` is refused by the kernel itself, with the very errno that the filter would give.
fn a_missing_rule_shows() {
    let strict = filter(Profile::Strict);
    let open = marked::refusals(&marked::without(strict.as_bytes(), libc::EPERM));
    let tries = [libc::SYS_reboot, libc::SYS_unshare].map(|number| Try {
        gate: Gate::X86_64,
        number: number as u32,
        argument: 0,
    });
    for outcome in sweep(Some(&marked::refusals(strict.as_bytes())), &tries) {
        assert_eq!(outcome.seen, Seen::Decided(Action::Refuse(libc::EPERM)));
    }
    let outcomes = sweep(Some(&open), &tries);
    assert!(outcomes.iter().all(|outcome| outcome.seen == Seen::Decided(Action::Allow)), "{outcomes:?}");
    let answers: Vec<_> = outcomes.iter().map(|outcome| outcome.answer).collect();
    assert_eq!(answers, [Some(-i64::from(libc::EPERM)), Some(0)]);
}

/// The calls of the kernel's own probes. They must do nothing for anybody else, since no filter can refuse them.
fn unfiltered() {
    let tries: Vec<Try> =
        table::unfiltered().into_iter().map(|number| Try { gate: Gate::X86_64, number, argument: 0 }).collect();
    let strict = filter(Profile::Strict);
    for (tried, outcome) in tries.iter().zip(sweep(Some(&marked::refusals(strict.as_bytes())), &tries)) {
        println!("   {}: {outcome:?}", tried.number);
        let refused = outcome.seen == Seen::Decided(Action::Refuse(libc::ENOSYS));
        let did_nothing = outcome.answer == Some(-i64::from(libc::ENXIO)) || outcome.end == Err(libc::SIGILL);
        assert!(refused || did_nothing, "{outcome:?}");
    }
}

fn every_number() {
    let mut found = table::Table::new();
    for profile in PROFILES {
        let program = marked::refusals(filter(profile).as_bytes());
        for gate in Gate::ALL {
            let [zeros, ones] = [0, u64::MAX].map(|argument| {
                let tries: Vec<Try> = table::NUMBERS.map(|number| Try { gate, number, argument }).collect();
                sweep(Some(&program), &tries).iter().map(|outcome| outcome.seen).collect::<Vec<_>>()
            });
            found.add(profile, gate, &zeros, &ones);
        }
    }
    found.compare();
}

/// The marks are ours: with the filter as it is loaded for jobs, what is refused answers with the bare errno. Only such calls
/// are made here, so one process makes them all.
fn plain_errnos() {
    for profile in PROFILES {
        let program = filter(profile);
        let tries: Vec<Case> = judged(profile, Sockets::Local)
            .into_iter()
            .filter(|case| matches!(case.wanted, Action::Refuse(_)))
            .collect();
        let wrong = first_wrong(
            program.as_bytes(),
            &tries,
            |case, answer| matches!(case.wanted, Action::Refuse(errno) if answer == -i64::from(errno)),
        );
        assert_eq!(wrong, None, "{profile:?}");
    }
}

fn every_rule() {
    for profile in PROFILES {
        for sockets in SOCKETS {
            let program = marked::everything(compile(profile, sockets).unwrap().as_bytes());
            let cases = judged(profile, sockets);
            let wrong = first_wrong(&program, &cases, is_as_wanted);
            assert_eq!(wrong, None, "{profile:?} {sockets:?}");
            println!("   {} {sockets:?}: {} cases", profile.name(), cases.len());
        }
    }
}

fn a_wrong_rule_is_noticed() {
    let strict = filter(Profile::Strict);
    let wrong = marked::everything(&marked::without(strict.as_bytes(), libc::ENOTTY));
    let found = first_wrong(&wrong, &judged(Profile::Strict, Sockets::Local), is_as_wanted);
    assert!(found.is_some_and(|(number, _)| i64::from(number) == libc::SYS_ioctl), "{found:x?}");
}

fn judged(profile: Profile, sockets: Sockets) -> Vec<Case> {
    profile.entries(sockets).flat_map(cases::of).collect()
}

fn is_as_wanted(case: &Case, answer: i64) -> bool {
    marked::seen(answer) == Seen::Decided(case.wanted)
}

/// Makes all of these calls in one process under a filter that lets none of them through, and gives the first whose answer
/// isn't right. That process ends by an illegal instruction, since it couldn't even exit.
fn first_wrong(program: &[u8], cases: &[Case], right: impl Fn(&Case, i64) -> bool) -> Option<(u32, [u64; 6])> {
    let done = Answers::new(1);
    done.set(0, 0);
    apart(|| {
        let child = fork(|| {
            load(program).expect("a marked filter is a filter");
            for (case, count) in cases.iter().zip(1..) {
                if !right(case, Gate::X86_64.enter(case.number, &case.arguments)) {
                    break;
                }
                done.set(0, count);
            }
            // SAFETY: ends the process without a system call.
            unsafe { std::arch::asm!("ud2", options(noreturn)) };
        });
        assert_eq!(wait(child), Err(libc::SIGILL));
    });
    cases.get(done.get(0) as usize).map(|case| (case.number, case.arguments))
}
