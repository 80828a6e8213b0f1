//! Every call number by every gate, each in a process of its own.

use std::ptr;

use sandbox::seccomp::Action;

use super::entry::Gate;
use super::load::load;
use super::marked::{Seen, seen};
use super::place::{Answers, NONE, apart, fork, wait};

/// One call to try.
#[derive(Debug, Clone, Copy)]
pub struct Try {
    pub gate: Gate,
    pub number: u32,
    /// In all six arguments.
    pub argument: u64,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub seen: Seen,
    /// The answer as it was, if it came back with one.
    pub answer: Option<i64>,
    /// How its process ended: exit code, or signal.
    pub end: Result<i32, i32>,
}

/// Microseconds after which a call that waits is woken, again and again: it then answers `EINTR`, by itself and not the filter.
const WAKE_US: libc::suseconds_t = 20_000;

/// Makes each call under a filter whose refusals are marked (none: under no filter).
pub fn sweep(marked: Option<&[u8]>, tries: &[Try]) -> Vec<Outcome> {
    let (answers, ends) = (Answers::new(tries.len()), Answers::new(tries.len()));
    apart(|| {
        if let Some(program) = marked {
            load(program).expect("a marked filter is a filter");
        }
        for (index, tried) in tries.iter().enumerate() {
            let child = fork(|| make(tried, &answers, index));
            ends.set(index, wait(child).map_or_else(|signal| -i64::from(signal), i64::from));
        }
    });
    (0..tries.len()).map(|index| outcome(answers.get(index), ends.get(index))).collect()
}

fn make(tried: &Try, answers: &Answers, index: usize) {
    let wake = libc::timeval { tv_sec: 0, tv_usec: WAKE_US };
    let timer = libc::itimerval { it_interval: wake, it_value: wake };
    // SAFETY: a handler that does nothing, and a timer of this process.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = do_nothing as extern "C" fn(i32) as libc::sighandler_t;
        libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut());
        libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &raw const timer, 0);
    }
    answers.set(index, tried.gate.enter(tried.number, &[tried.argument; 6]));
    Gate::X86_64.enter(libc::SYS_exit_group as u32, &[0; 6]);
}

extern "C" fn do_nothing(_signal: i32) {}

fn outcome(answer: i64, end: i64) -> Outcome {
    assert_ne!(end, NONE, "every child was waited for");
    let end = if end < 0 { Err(-end as i32) } else { Ok(end as i32) };
    let answer = (answer != NONE).then_some(answer);
    let seen = match (answer, end) {
        (Some(answer), _) => seen(answer),
        (None, Err(libc::SIGSYS)) => Seen::Killed,
        // It exited, became another program, or died of itself: whatever it did, it was made.
        (None, _) => Seen::Decided(Action::Allow),
    };
    Outcome { seen, answer, end }
}
