//! From a profile to a BPF program.
//!
//! The numbers of the calls, with all others between them, are a line of ranges with one verdict each; the program finds the
//! range by halving the line. At about eight comparisons a call it is faster than a list, and a fifth of the instructions
//! that libseccomp needs (whose rules have no "for every other value"), so it is loaded in a fraction of the time.

use leave_out::Part;
use std::collections::BTreeMap;

use super::assemble::{Code, answer, decide, halve, prologue};
use super::table::{Action, Call, Verdict};
use super::{Profile, Sockets};

/// The most instructions that the kernel loads (`BPF_MAXINSNS`).
const MAX_INSTRUCTIONS: usize = 4096;
/// Numbers from here on are those of x32.
pub(super) const FIRST_FOREIGN_NUMBER: u32 = 0x4000_0000;

/// Why a profile could not be compiled; always our own failure.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// Two entries of a profile name the same call.
    #[error("seccomp: {0} is named twice")]
    NamedTwice(&'static str),
    /// One match tells more values apart than a jump can span.
    #[error("seccomp: {0} instructions to jump over; at most 255")]
    TooFar(usize),
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
        self.bytes.len() / size_of::<libc::sock_filter>()
    }
}

/// Compiles `profile` for a job that may open such `sockets`.
pub fn compile(profile: Profile, sockets: Sockets) -> Result<CompiledFilter, SeccompError> {
    let verdicts = verdicts_by_number(profile, sockets)?;
    let default = if leave_out::is(Part::SeccompUnknown) { Action::Allow } else { profile.default_action() };
    let ranges = ranges(&verdicts, default);
    let mut code = prologue(profile.default_action());
    #[cfg(feature = "leave-out")]
    super::leave_out::open_prologue(&mut code);
    code.extend(search(&ranges)?);
    if code.len() > MAX_INSTRUCTIONS {
        return Err(SeccompError::TooLong(code.len()));
    }
    Ok(CompiledFilter { bytes: code.iter().flat_map(instruction_bytes).collect() })
}

fn verdicts_by_number(profile: Profile, sockets: Sockets) -> Result<BTreeMap<u32, Verdict>, SeccompError> {
    let mut verdicts = BTreeMap::new();
    for entry in profile.entries(sockets) {
        for Call { name, number } in entry.calls {
            if verdicts.insert(*number, entry.verdict).is_some() {
                return Err(SeccompError::NamedTwice(name));
            }
        }
    }
    #[cfg(feature = "leave-out")]
    super::leave_out::allow(&mut verdicts, profile, sockets);
    Ok(verdicts)
}

/// The calls from `first` up to the next range's first.
struct Range {
    first: u32,
    verdict: Verdict,
}

fn ranges(verdicts: &BTreeMap<u32, Verdict>, default: Action) -> Vec<Range> {
    let mut ranges = vec![Range { first: 0, verdict: Verdict::Is(default) }];
    for (&number, &verdict) in verdicts {
        begin(&mut ranges, number, verdict);
        begin(&mut ranges, number + 1, Verdict::Is(default));
    }
    ranges
}

/// Begins a range at `first`; one that is empty by that is dropped, and one that continues its neighbour melts into it.
fn begin(ranges: &mut Vec<Range>, first: u32, verdict: Verdict) {
    ranges.pop_if(|last| last.first == first);
    let continues = match (ranges.last(), verdict) {
        (Some(Range { verdict: Verdict::Is(before), .. }), Verdict::Is(action)) => *before == action,
        _ => false,
    };
    if !continues {
        ranges.push(Range { first, verdict });
    }
}

fn search(ranges: &[Range]) -> Result<Code, SeccompError> {
    match ranges {
        [Range { verdict: Verdict::Is(action), .. }] => Ok(vec![answer(*action)]),
        [Range { verdict: Verdict::By(rule), .. }] => decide(rule),
        _ => {
            let (below, from) = ranges.split_at(ranges.len() / 2);
            Ok(halve(from[0].first, search(below)?, search(from)?))
        }
    }
}

fn instruction_bytes(instruction: &libc::sock_filter) -> [u8; 8] {
    let [code_low, code_high] = instruction.code.to_ne_bytes();
    let [a, b, c, d] = instruction.k.to_ne_bytes();
    [code_low, code_high, instruction.jt, instruction.jf, a, b, c, d]
}
