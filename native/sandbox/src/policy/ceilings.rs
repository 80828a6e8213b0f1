//! The operator's maxima. A request above one is rejected, never lowered.

use crate::config::Ceilings;
use crate::door::Issue;

use super::{Ceiling, Policy, defaults};

/// The configuration's ceilings over the built-in ones.
pub fn of(config: &Ceilings) -> Ceiling {
    let mut ceiling = defaults::ceiling();
    ceiling.limits.lay_over(config.limits.numbers());
    super::set(&mut ceiling.syscalls, config.syscalls.clone());
    super::set(&mut ceiling.loopback, config.loopback.clone());
    super::set(&mut ceiling.attempts, config.attempts);
    ceiling
}

/// What of a decided policy is above a ceiling; the issues name the fields of the job document.
pub fn check(policy: &Policy, attempts: Option<u32>, ceiling: &Ceiling) -> Vec<Issue> {
    let limits = policy.limits.above(&ceiling.limits);
    let limit = |(name, most)| above(format!("policy.limits.{name}"), &format!("at most {most} is allowed here"));
    let mut issues: Vec<Issue> = limits.map(limit).collect();
    if !ceiling.syscalls.contains(&policy.syscalls) {
        issues.push(above("policy.syscalls".to_owned(), "this profile is not allowed here"));
    }
    if !ceiling.loopback.contains(&policy.loopback) {
        issues.push(above("policy.network.loopback".to_owned(), "this setting is not allowed here"));
    }
    if attempts.unwrap_or(1) > ceiling.attempts {
        issues.push(above("attempts".to_owned(), &format!("at most {} are allowed here", ceiling.attempts)));
    }
    issues
}

fn above(path: String, message: &str) -> Issue {
    Issue::at(path, "ceiling", message)
}
