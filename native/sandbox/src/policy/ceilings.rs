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

/// Checks a decided policy; the issue names the field of the job document.
pub fn check(policy: &Policy, attempts: Option<u32>, ceiling: &Ceiling) -> Result<(), Issue> {
    if let Some((name, most)) = policy.limits.first_above(&ceiling.limits) {
        return Err(above(format!("policy.limits.{name}"), &format!("at most {most} is allowed here")));
    }
    if !ceiling.syscalls.contains(&policy.syscalls) {
        return Err(above("policy.syscalls".to_owned(), "this profile is not allowed here"));
    }
    if !ceiling.loopback.contains(&policy.loopback) {
        return Err(above("policy.network.loopback".to_owned(), "this setting is not allowed here"));
    }
    match attempts.unwrap_or(1) > ceiling.attempts {
        true => Err(above("attempts".to_owned(), &format!("at most {} are allowed here", ceiling.attempts))),
        false => Ok(()),
    }
}

fn above(path: String, message: &str) -> Issue {
    Issue::at(path, "ceiling", message)
}
