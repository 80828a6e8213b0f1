//! Filters whose refusals can't be taken for the kernel's own.
//!
//! A kernel answers errnos up to 133; a filter may answer with any up to 4,095. So each `SECCOMP_RET_ERRNO` of a compiled filter
//! gets 2,048 added, and an answer from there on is the filter's for certain. Only the constants of `ret` instructions change:
//! what the program compares, and where it jumps, stays.

use sandbox::seccomp::Action;

const RET: u16 = 0x06;
const MARK: u32 = 2048;
/// Stands for "would be allowed" and "would be killed" where no call may be made at all.
const ALLOWED: u32 = MARK + 1000;
const KILLED: u32 = MARK + 1001;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Decided(Action),
    Killed,
}

/// The filter with its refusals marked; what it allows is done, what it kills for is killed.
pub fn refusals(program: &[u8]) -> Vec<u8> {
    rewrite(program, |answer| match answer & 0xffff_0000 {
        libc::SECCOMP_RET_ERRNO => answer + MARK,
        _ => answer,
    })
}

/// The filter with every answer marked: no call at all is made, whichever it is.
pub fn everything(program: &[u8]) -> Vec<u8> {
    rewrite(program, |answer| match answer & 0xffff_0000 {
        libc::SECCOMP_RET_ERRNO => answer + MARK,
        libc::SECCOMP_RET_ALLOW => libc::SECCOMP_RET_ERRNO | ALLOWED,
        libc::SECCOMP_RET_KILL_PROCESS => libc::SECCOMP_RET_ERRNO | KILLED,
        other => panic!("an answer that no profile gives: {other:#x}"),
    })
}

/// The filter without its rules of this errno: those calls are allowed.
pub fn without(program: &[u8], errno: i32) -> Vec<u8> {
    rewrite(
        program,
        |answer| {
            if answer == libc::SECCOMP_RET_ERRNO | errno as u32 { libc::SECCOMP_RET_ALLOW } else { answer }
        },
    )
}

/// Whose answer it was. What isn't marked came from the kernel, so the filter let the call through.
pub fn seen(answer: i64) -> Seen {
    match u32::try_from(-answer) {
        Ok(ALLOWED) => Seen::Decided(Action::Allow),
        Ok(KILLED) => Seen::Killed,
        Ok(marked @ MARK..=4095) => Seen::Decided(Action::Refuse((marked - MARK) as i32)),
        _ => Seen::Decided(Action::Allow),
    }
}

fn rewrite(program: &[u8], answer: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut code = program.to_vec();
    for instruction in code.chunks_exact_mut(8) {
        let (head, constant) = instruction.split_at_mut(4);
        if u16::from_ne_bytes([head[0], head[1]]) == RET {
            let changed = answer(u32::from_ne_bytes([constant[0], constant[1], constant[2], constant[3]]));
            constant.copy_from_slice(&changed.to_ne_bytes());
        }
    }
    code
}
