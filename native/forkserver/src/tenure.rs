//! Until when a sandbox may go on without another word of its worker

use crate::clock::boottime;
use leave_out::Part;

const MILLISECOND: u64 = 1_000_000;

/// A dead-man timer. It is over once; nothing extends it then.
pub struct Tenure {
    /// Nanoseconds of `CLOCK_BOOTTIME`; `None` when it is over.
    until: Option<u64>,
}

impl Tenure {
    /// `until` in milliseconds of `CLOCK_BOOTTIME`.
    pub fn until_ms(until: u64) -> Tenure {
        Tenure { until: Some(until.saturating_mul(MILLISECOND)) }
    }

    pub fn extend_to_ms(&mut self, until: u64) {
        self.until = self.until.map(|known| known.max(until.saturating_mul(MILLISECOND)));
    }

    /// When it ends, if it hasn't yet.
    pub fn end(&self) -> Option<u64> {
        self.until.filter(|_| !leave_out::is(Part::TenureDeadline))
    }

    pub fn is_over(&self) -> bool {
        self.until.is_none()
    }

    /// Ends it when its time has come; true when that is now.
    pub fn expire(&mut self) -> bool {
        let expires = self.end().is_some_and(|end| end <= boottime());
        if expires {
            self.until = None;
        }
        expires
    }
}
