//! From a profile to the bytes of a BPF program.

use std::io::{Read, Seek};
use std::os::fd::AsFd;

use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use rustix::fs::{MemfdFlags, memfd_create};

use super::Profile;
use super::table::{Action, Bits, Entry, Match, Verdict, all_but};

/// The most instructions that the kernel loads (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;
/// Bytes of one `struct sock_filter`.
const INSTRUCTION_BYTES: usize = 8;

/// Calls newer than libseccomp 2.5's table. From 403 on, all architectures number alike.
const NEWER_CALLS: &[(&str, i32)] = &[
    ("fchmodat2", 452),
    ("map_shadow_stack", 453),
    ("futex_wake", 454),
    ("futex_wait", 455),
    ("futex_requeue", 456),
    ("statmount", 457),
    ("listmount", 458),
    ("mseal", 462),
    ("setxattrat", 463),
    ("getxattrat", 464),
    ("listxattrat", 465),
    ("removexattrat", 466),
    ("open_tree_attr", 467),
];

/// Why a profile could not be compiled; always our own failure.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// An entry names a call that neither libseccomp nor we know the number of.
    #[error("seccomp: unknown system call {0}")]
    UnknownCall(&'static str),
    /// libseccomp refused a step.
    #[error("seccomp: {step}: {source}")]
    Library { step: &'static str, source: libseccomp::error::SeccompError },
    /// libseccomp refused a rule of an entry.
    #[error("seccomp: rule for {call}: {source}")]
    Rule { call: &'static str, source: libseccomp::error::SeccompError },
    /// The program could not be read back.
    #[error("seccomp: export: {0}")]
    Export(#[from] std::io::Error),
    /// The program is longer than the kernel takes.
    #[error("seccomp: {0} instructions; at most {MAX_INSTRUCTIONS} can be loaded")]
    TooLong(usize),
}

/// A program as the kernel takes it: `struct sock_filter` after `struct sock_filter`, in host byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledFilter {
    bytes: Vec<u8>,
}

impl CompiledFilter {
    /// The program; a multiple of 8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of instructions, 1..=4096.
    pub fn instructions(&self) -> usize {
        self.bytes.len() / INSTRUCTION_BYTES
    }
}

/// Compiles `profile`. `loopback`: the job has a loopback interface of its own, so INET sockets are allowed.
/// Takes milliseconds: keep the answer.
pub fn compile(profile: Profile, loopback: bool) -> Result<CompiledFilter, SeccompError> {
    let mut filter = Filter::open(profile.default_action())?;
    for entry in profile.entries(loopback) {
        filter.add(entry)?;
    }
    filter.export()
}

struct Filter {
    context: ScmpFilterContext,
    default: Action,
}

impl Filter {
    fn open(default: Action) -> Result<Filter, SeccompError> {
        let step = |step| move |source| SeccompError::Library { step, source };
        let mut context = ScmpFilterContext::new(scmp(default)).map_err(step("open"))?;
        context.add_arch(ScmpArch::native()).map_err(step("add architecture"))?;
        context.set_act_badarch(ScmpAction::KillProcess).map_err(step("set action for foreign architectures"))?;
        context.set_ctl_optimize(2).map_err(step("ask for a binary tree"))?;
        Ok(Filter { context, default })
    }

    fn add(&mut self, entry: &'static Entry) -> Result<(), SeccompError> {
        for call in entry.calls {
            let number = number_of(call)?;
            for (conditions, action) in rules_of(entry.verdict) {
                self.add_rule(number, &conditions, action).map_err(|source| SeccompError::Rule { call, source })?;
            }
        }
        Ok(())
    }

    fn add_rule(
        &mut self,
        number: ScmpSyscall,
        conditions: &[(u32, Bits)],
        action: Action,
    ) -> Result<(), libseccomp::error::SeccompError> {
        // libseccomp refuses a rule that says what the default says.
        if action == self.default {
            return Ok(());
        }
        let conditions: Vec<ScmpArgCompare> = conditions.iter().map(|(argument, bits)| compare(*argument, *bits)).collect();
        self.context.add_rule_conditional_exact(scmp(action), number, &conditions).map(|_| ())
    }

    fn export(self) -> Result<CompiledFilter, SeccompError> {
        let memory = memfd_create("seccomp", MemfdFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let mut memory = std::fs::File::from(memory);
        self.context.export_bpf(memory.as_fd()).map_err(|source| SeccompError::Library { step: "export", source })?;
        let mut bytes = Vec::new();
        memory.rewind()?;
        memory.read_to_end(&mut bytes)?;
        let filter = CompiledFilter { bytes };
        match filter.instructions() {
            1..=MAX_INSTRUCTIONS => Ok(filter),
            count => Err(SeccompError::TooLong(count)),
        }
    }
}

/// The verdict as independent rules: conditions on arguments (all must hold) and an action. No two rules hold at once, and
/// rules that share a first condition share it literally: libseccomp doesn't go back to try a second one that overlaps.
fn rules_of(verdict: Verdict) -> Vec<(Vec<(u32, Bits)>, Action)> {
    match verdict {
        Verdict::Is(action) => vec![(Vec::new(), action)],
        Verdict::By(Match { argument, mask, arms, otherwise }) => {
            let listed: Vec<u32> = arms.iter().flat_map(|(values, _)| values.iter().copied()).collect();
            let named = arms.iter().flat_map(|(values, verdict)| {
                values.iter().flat_map(|value| {
                    let here = (*argument, Bits { mask: *mask, value: *value });
                    rules_of(*verdict).into_iter().map(move |(deeper, action)| ([vec![here], deeper].concat(), action))
                })
            });
            let others = all_but(&listed, *mask).into_iter().map(|bits| (vec![(*argument, bits)], *otherwise));
            named.chain(others).collect()
        }
    }
}

fn compare(argument: u32, bits: Bits) -> ScmpArgCompare {
    ScmpArgCompare::new(argument, ScmpCompareOp::MaskedEqual(u64::from(bits.mask)), u64::from(bits.value))
}

fn scmp(action: Action) -> ScmpAction {
    match action {
        Action::Allow => ScmpAction::Allow,
        Action::Refuse(errno) => ScmpAction::Errno(errno),
    }
}

fn number_of(call: &'static str) -> Result<ScmpSyscall, SeccompError> {
    if let Some((_, number)) = NEWER_CALLS.iter().find(|(name, _)| *name == call) {
        return Ok(ScmpSyscall::from_raw_syscall(*number));
    }
    ScmpSyscall::from_name(call).map_err(|_| SeccompError::UnknownCall(call))
}
