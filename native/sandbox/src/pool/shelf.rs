//! The sandboxes of one template that are ready, and how filling goes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::backend::{Sandbox, Template};
use crate::failure::Failure;

/// So many failures in a row stop the filling.
const GIVE_UP_AFTER: u32 = 3;
/// First pause before one more try; doubled with every failure after it.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How many sandboxes of a template are to be ready, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stock {
    pub ready: usize,
    pub ttl: Duration,
}

impl Stock {
    /// Nothing is made ahead.
    pub const NONE: Stock = Stock { ready: 0, ttl: Duration::from_secs(600) };
}

/// A sandbox that waits for its job.
pub struct Ready {
    pub sandbox: Box<dyn Sandbox>,
    pub slot: u32,
    pub since: Instant,
}

/// What is ready of one template.
pub struct Shelf {
    stock: Stock,
    ready: VecDeque<Ready>,
    filling: bool,
    failures: u32,
    /// Not before then is filling tried again.
    resting_until: Option<Instant>,
    last_failure: Option<String>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    hits: u64,
    misses: u64,
    made: u64,
}

impl Shelf {
    pub fn new(stock: Stock) -> Shelf {
        Shelf {
            stock,
            ready: VecDeque::new(),
            filling: false,
            failures: 0,
            resting_until: None,
            last_failure: None,
            counts: Counts::default(),
        }
    }

    /// The oldest one that can still be used.
    pub fn take(&mut self) -> Option<Ready> {
        let usable =
            self.ready.iter().position(|ready| ready.sandbox.is_alive() && ready.since.elapsed() < self.stock.ttl);
        let ready = usable.and_then(|index| self.ready.remove(index));
        match ready {
            Some(_) => self.counts.hits += 1,
            None => self.counts.misses += 1,
        }
        ready
    }

    /// One that a job of another template needs the slot of.
    pub fn spare(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// Everything.
    pub fn empty(&mut self) -> Vec<Ready> {
        self.ready.drain(..).collect()
    }

    /// Those that are too old or dead.
    pub fn stale(&mut self) -> Vec<Ready> {
        let ttl = self.stock.ttl;
        let (keep, stale) =
            self.ready.drain(..).partition(|ready| ready.sandbox.is_alive() && ready.since.elapsed() < ttl);
        self.ready = keep;
        Vec::from(stale)
    }

    /// Whether there should be more.
    pub fn lacks(&mut self) -> bool {
        self.ready.len() < self.stock.ready
    }

    /// Whether to begin filling now; if so, nobody else will.
    pub fn begin_filling(&mut self) -> bool {
        let rested = self.resting_until.is_none_or(|until| Instant::now() >= until);
        let begin = !self.filling && rested && self.lacks();
        self.filling |= begin;
        begin
    }

    pub fn end_filling(&mut self) {
        self.filling = false;
    }

    /// A sandbox more; given back if there are enough by now.
    pub fn put(&mut self, ready: Ready) -> Option<Ready> {
        self.failures = 0;
        self.resting_until = None;
        self.counts.made += 1;
        if !self.lacks() {
            return Some(ready);
        }
        self.ready.push_back(ready);
        None
    }

    /// Making one failed. Repeatedly: no more tries for a while.
    pub fn failed(&mut self, failure: &Failure) {
        self.failures += 1;
        self.last_failure = Some(format!("{}: {}", failure.step.name(), failure.code));
        if self.failures >= GIVE_UP_AFTER {
            let doublings = (self.failures - GIVE_UP_AFTER).min(8);
            self.resting_until = Some(Instant::now() + (FIRST_PAUSE * 2u32.pow(doublings)).min(LONGEST_PAUSE));
        }
    }

    pub fn stats(&self, template: &Template) -> Value {
        json!({
            "backend": template.backend,
            "root": template.root,
            "loopback": template.loopback,
            "ready": self.ready.len(),
            "wanted": self.stock.ready,
            "hits": self.counts.hits,
            "misses": self.counts.misses,
            "made": self.counts.made,
            "failures": self.failures,
            "stopped": self.resting_until.is_some(),
            "lastFailure": self.last_failure,
        })
    }
}
