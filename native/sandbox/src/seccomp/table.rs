//! The form in which a profile is written down.

/// One line of a profile: some calls, what happens to them, and why.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub calls: &'static [Call],
    pub verdict: Verdict,
    /// Who needs the calls, or what they would be good for in hostile hands.
    pub why: &'static str,
}

/// A system call of this architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    pub name: &'static str,
    pub number: u32,
}

/// What happens to a call in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Allow,
    /// The call isn't made; it answers with this errno.
    Refuse(i32),
}

/// What happens to a call: decided at once, or by one of its arguments.
#[derive(Debug, Clone, Copy)]
pub enum Verdict {
    Is(Action),
    By(&'static Match),
}

/// A decision on one half of one argument, within `mask`. An argument that is `int` or `unsigned int` in the kernel is decided
/// by its low half alone: a filter that compared 64 bits could be passed by setting a high one. A pointer takes a decision on
/// each half.
#[derive(Debug, Clone, Copy)]
pub struct Match {
    /// 0..=5.
    pub argument: u32,
    pub half: Half,
    pub mask: u32,
    /// The values that are told apart, each at most once and within `mask`.
    pub arms: &'static [(&'static [u32], Verdict)],
    /// For every other value.
    pub otherwise: Verdict,
}

/// 32 of an argument's 64 bits: classic BPF compares no more at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    Low,
    High,
}

/// What decisions are made from: the whole low half of the first argument.
pub(super) const ON_FIRST: Match =
    Match { argument: 0, half: Half::Low, mask: u32::MAX, arms: &[], otherwise: refuse(libc::EPERM) };

pub(super) const ALLOW: Verdict = Verdict::Is(Action::Allow);

pub(super) const fn refuse(errno: i32) -> Verdict {
    Verdict::Is(Action::Refuse(errno))
}

/// Constants named `SYS_…` as [`Call`]s.
macro_rules! calls {
    ($($constant:ident)*) => {
        &[$($crate::seccomp::table::Call::new(stringify!($constant), $crate::seccomp::numbers::$constant)),*]
    };
}
pub(super) use calls;

impl Call {
    /// `constant` is the name of the constant: `SYS_` and the call's name.
    pub(super) const fn new(constant: &'static str, number: libc::c_long) -> Call {
        Call { name: constant.split_at("SYS_".len()).1, number: number as u32 }
    }
}
