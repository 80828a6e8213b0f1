//! The early ends of a job: each is a reason that has a name, and becomes an outcome.

use crate::backend::BackendError;
use crate::door::Issue;
use crate::failure::Failure;
use crate::outcome::{self, KillReason, Outcome};
use crate::policy::layers::Missing;

/// Why a job could not go on.
pub enum Stop {
    Rejected(Issue),
    Unavailable(Missing),
    Killed(KillReason),
    Failed(Failure),
}

impl Stop {
    /// What the job's end is called.
    pub fn outcome(self) -> Outcome {
        match self {
            Stop::Rejected(issue) => Outcome::Rejected { field: issue.path, rule: issue.rule, message: issue.message },
            Stop::Unavailable(missing) => Outcome::Unavailable { layer: missing.layer, message: missing.message },
            Stop::Killed(reason) => reason.outcome(),
            Stop::Failed(failure) => outcome::failed(&failure),
        }
    }
}

impl From<Issue> for Stop {
    fn from(issue: Issue) -> Stop {
        Stop::Rejected(issue)
    }
}

impl From<KillReason> for Stop {
    fn from(reason: KillReason) -> Stop {
        Stop::Killed(reason)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Stop {
        match error {
            BackendError::Lapsed => Stop::Killed(KillReason::LockLost),
            other => Stop::Failed(other.into()),
        }
    }
}
