//! The form in which a profile is written down.

/// One line of a profile: some calls, what happens to them, and why.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub calls: &'static [&'static str],
    pub verdict: Verdict,
    /// Who needs the calls, or what they would be good for in hostile hands.
    pub why: &'static str,
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

/// A decision on one argument. Only its bits within `mask` count, and no bit above the 31st ever does: these arguments are
/// `int` or `unsigned int` in the kernel, and a filter that compared 64 bits could be passed by setting a high one.
#[derive(Debug, Clone, Copy)]
pub struct Match {
    /// 0-based. A nested match looks at a later argument.
    pub argument: u32,
    pub mask: u32,
    /// The values that are told apart, each at most once and within `mask`.
    pub arms: &'static [(&'static [u32], Verdict)],
    /// For every other value.
    pub otherwise: Action,
}

pub(super) const ALLOW: Verdict = Verdict::Is(Action::Allow);

pub(super) const fn refuse(errno: i32) -> Verdict {
    Verdict::Is(Action::Refuse(errno))
}

/// An argument's bits under a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    pub mask: u32,
    pub value: u32,
}

/// All values under `mask` except `values`, as the fewest disjoint bit patterns: those of the prefixes at which a value
/// stops being a listed one.
pub(super) fn all_but(values: &[u32], mask: u32) -> Vec<Bits> {
    let mut patterns = Vec::new();
    branch(values.to_vec(), mask, Bits { mask: 0, value: 0 }, &mut patterns);
    patterns
}

fn branch(listed: Vec<u32>, undecided: u32, prefix: Bits, patterns: &mut Vec<Bits>) {
    if listed.is_empty() {
        patterns.push(prefix);
        return;
    }
    if undecided == 0 {
        return;
    }
    let bit = 1 << (31 - undecided.leading_zeros());
    let (ones, zeros): (Vec<u32>, Vec<u32>) = listed.into_iter().partition(|value| value & bit != 0);
    for (listed, value) in [(zeros, prefix.value), (ones, prefix.value | bit)] {
        branch(listed, undecided & !bit, Bits { mask: prefix.mask | bit, value }, patterns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(patterns: &[Bits], value: u32) -> usize {
        patterns.iter().filter(|bits| value & bits.mask == bits.value).count()
    }

    #[test]
    fn all_but_covers_every_other_value_once() {
        let listed = [0, 1, 7, 13, 15];
        let patterns = all_but(&listed, 0x0f);
        for value in 0..16 {
            assert_eq!(matches(&patterns, value), usize::from(!listed.contains(&value)), "{value}");
        }
    }

    #[test]
    fn all_but_ignores_bits_outside_the_mask() {
        let patterns = all_but(&[0], 0x7e02_0000);
        assert_eq!(matches(&patterns, 0x11), 0);
        assert_eq!(matches(&patterns, 0x1000_0011), 1);
        assert_eq!(matches(&patterns, 0x7e02_0000), 1);
    }

    #[test]
    fn all_but_everything_is_nothing() {
        assert!(all_but(&[0, 1, 2, 3], 3).is_empty());
    }
}
