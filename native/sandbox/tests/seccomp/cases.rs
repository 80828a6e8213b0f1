//! The calls that show a rule: those it lists, those beside them, and each again with all else changed.

use sandbox::seccomp::{Action, Entry, Half, Match, Verdict};

/// A call, and what its rule says of it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub number: u32,
    pub arguments: [u64; 6],
    pub wanted: Action,
}

/// Every case of an entry, for each of its calls.
pub fn of(entry: &Entry) -> Vec<Case> {
    let mut cases = Vec::new();
    for call in entry.calls {
        walk(entry.verdict, Words::default(), &mut |arguments, wanted| {
            cases.push(Case { number: call.number, arguments, wanted });
        });
    }
    cases
}

/// The twelve halves of the arguments, and which of them a rule on the way here has looked at.
#[derive(Clone, Copy, Default)]
struct Words {
    values: [u32; 12],
    decided: [bool; 12],
}

fn walk(verdict: Verdict, words: Words, show: &mut impl FnMut([u64; 6], Action)) {
    match verdict {
        Verdict::Is(action) => words.with_all_else_changed(&mut |arguments| show(arguments, action)),
        Verdict::By(rule) => {
            for (values, verdict) in rule.arms {
                for value in *values {
                    walk(*verdict, words.decide(rule, *value), show);
                    if rule.mask != u32::MAX {
                        walk(*verdict, words.decide(rule, value | !rule.mask), show);
                    }
                }
            }
            for other in neighbours(rule) {
                walk(rule.otherwise, words.decide(rule, other), show);
            }
        }
    }
}

/// Values that a rule doesn't list: those that differ from a listed one in one bit, small ones, and the largest.
fn neighbours(rule: &Match) -> Vec<u32> {
    let listed: Vec<u32> = rule.arms.iter().flat_map(|(values, _)| values.iter().copied()).collect();
    let flipped = listed.iter().flat_map(|value| (0..32).map(move |bit| value ^ (1 << bit)));
    let mut others: Vec<u32> = flipped.chain(0..8).chain([u32::MAX]).collect();
    others.retain(|value| !listed.contains(&(value & rule.mask)));
    others.sort_unstable();
    others.dedup();
    others
}

impl Words {
    fn decide(mut self, rule: &Match, value: u32) -> Words {
        let at = 2 * rule.argument as usize + usize::from(rule.half == Half::High);
        self.values[at] = value;
        self.decided[at] = true;
        self
    }

    /// As it is, then each undecided half with all bits set, then all of them: no rule looked there, so nothing may change.
    fn with_all_else_changed(self, show: &mut impl FnMut([u64; 6])) {
        show(self.arguments());
        let undecided = (0..12).filter(|&at| !self.decided[at]);
        let mut all = self;
        for at in undecided {
            let mut one = self;
            one.values[at] = u32::MAX;
            all.values[at] = u32::MAX;
            show(one.arguments());
        }
        show(all.arguments());
    }

    fn arguments(self) -> [u64; 6] {
        std::array::from_fn(|at| u64::from(self.values[2 * at]) | u64::from(self.values[2 * at + 1]) << 32)
    }
}
