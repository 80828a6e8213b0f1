//! The few instructions of classic BPF that a filter is made of, and the shapes they come in.

use leave_out::Part;
use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

use super::compile::{FIRST_FOREIGN_NUMBER, SeccompError};
use super::table::{Action, Half, Match, Verdict};

pub(super) type Code = Vec<sock_filter>;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(not(target_arch = "x86_64"))]
compile_error!("the tables of the profiles are those of x86_64");

/// Offsets in `struct seccomp_data`.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// Kills on a foreign architecture or an x32 number, then leaves the call's number in the accumulator. Number -1, which is
/// how the kernel says that a tracer has taken the call away, gets the default.
pub(super) fn prologue(default: Action) -> Code {
    vec![
        load(ARCHITECTURE_AT),
        jump(BPF_JEQ, ARCHITECTURE, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_AT),
        jump(BPF_JGE, FIRST_FOREIGN_NUMBER, 0, 3),
        jump(BPF_JEQ, u32::MAX, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        answer(default),
    ]
}

/// Ends the filter with an action.
pub(super) fn answer(action: Action) -> sock_filter {
    match action {
        Action::Allow => ret(libc::SECCOMP_RET_ALLOW),
        Action::Refuse(errno) => ret(libc::SECCOMP_RET_ERRNO | errno as u32),
    }
}

/// Goes on with `from` when the accumulator is `first` or more, else with `below`.
pub(super) fn halve(first: u32, below: Code, from: Code) -> Code {
    let mut code = match u8::try_from(below.len()) {
        Ok(distance) => vec![jump(BPF_JGE, first, distance, 0)],
        Err(_) => vec![jump(BPF_JGE, first, 0, 1), skip(below.len())],
    };
    code.extend(below);
    code.extend(from);
    code
}

/// Decides on an argument. Every path through this ends in an answer.
pub(super) fn decide(rule: &Match) -> Result<Code, SeccompError> {
    let half = match rule.half {
        Half::Low => 0,
        Half::High => 4,
    };
    let mut code = high_half(rule);
    code.push(load(ARGUMENTS_AT + 8 * rule.argument + half));
    if rule.mask != u32::MAX {
        code.push(instruction(BPF_ALU | BPF_AND | BPF_K, rule.mask));
    }
    for (values, verdict) in rule.arms {
        code.extend(arm(values, *verdict)?);
    }
    code.extend(body(rule.otherwise)?);
    Ok(code)
}

/// Nothing; but a build for tests can be told to compare all of an argument, as a filter should not.
fn high_half(rule: &Match) -> Code {
    match (leave_out::is(Part::SeccompHighHalf), rule.half, rule.otherwise) {
        (true, Half::Low, Verdict::Is(action)) => {
            vec![load(ARGUMENTS_AT + 8 * rule.argument + 4), jump(BPF_JEQ, 0, 1, 0), answer(action)]
        }
        _ => Code::new(),
    }
}

fn body(verdict: Verdict) -> Result<Code, SeccompError> {
    match verdict {
        Verdict::Is(action) => Ok(vec![answer(action)]),
        Verdict::By(rule) => decide(rule),
    }
}

/// One arm: to the body if the accumulator is one of `values`, else past it.
fn arm(values: &[u32], verdict: Verdict) -> Result<Code, SeccompError> {
    let body = body(verdict)?;
    let mut code = Code::new();
    for (at, value) in values.iter().enumerate() {
        // Over the remaining comparisons and the skip.
        let distance = values.len() - at;
        code.push(jump(BPF_JEQ, *value, u8::try_from(distance).map_err(|_| SeccompError::TooFar(distance))?, 0));
    }
    code.push(skip(body.len()));
    code.extend(body);
    Ok(code)
}

/// Loads 32 bits of `struct seccomp_data`. At an argument's offset these are its low half, four bytes on its high one.
#[cfg(target_endian = "little")]
fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn ret(value: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, value)
}

fn skip(distance: usize) -> sock_filter {
    instruction(BPF_JMP | BPF_JA, distance as u32)
}

fn jump(comparison: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { jt: if_true, jf: if_false, ..instruction(BPF_JMP | comparison | BPF_K, value) }
}

fn instruction(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}
