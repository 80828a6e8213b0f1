//! How many removed leaves may live on in the kernel.
//!
//! A file's pages belong to the leaf that read them first. Dropping them with every leaf would make each job read its interpreter
//! from the disk again; never dropping them lets dead leaves pile up, one for each time that pages had been forgotten. So a few
//! leaves may leave their pages behind, and with them a husk each; when there were too many of late, pages are dropped.

use crate::clock::boottime;
use leave_out::Part;
use std::cell::Cell;

/// Husks at once.
const MOST: u64 = 4;
/// After this one more may be left, ns.
const REFILL: u64 = 60_000_000_000;

/// Who has left one lately.
pub struct Husks {
    /// When all would be forgotten.
    forgotten_at: Cell<u64>,
}

impl Husks {
    pub fn new() -> Husks {
        Husks { forgotten_at: Cell::new(0) }
    }

    /// May one more be left? If so, it counts as left.
    pub fn may_leave(&self) -> bool {
        self.may_leave_at(boottime())
    }

    fn may_leave_at(&self, now: u64) -> bool {
        let forgotten_at = self.forgotten_at.get().max(now) + REFILL;
        let may = forgotten_at <= now + MOST * REFILL || leave_out::is(Part::TrapLeafPages);
        if may {
            self.forgotten_at.set(forgotten_at);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::{Husks, MOST, REFILL};

    #[test]
    fn a_few_may_be_left_at_once_and_then_one_a_minute() {
        let (husks, start) = (Husks::new(), 5 * REFILL);
        assert_eq!((0..10).filter(|_| husks.may_leave_at(start)).count() as u64, MOST);
        assert!(!husks.may_leave_at(start + REFILL - 1));
        assert!(husks.may_leave_at(start + REFILL));
        assert!(!husks.may_leave_at(start + REFILL));
        assert_eq!((0..10).filter(|_| husks.may_leave_at(start + 100 * REFILL)).count() as u64, MOST);
    }
}
