//! Errors of the library as JavaScript Errors: a `code` for programs, a message for people.

use napi::{Env, Error, JsError};
use sandbox::EngineError;
use sandbox::lease::LeaseError;
use sandbox::privileges::PrivilegeError;

/// The `code` of a JavaScript Error.
pub type Code = String;

/// What becomes a JavaScript Error.
pub struct Failure {
    code: &'static str,
    message: String,
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        let code = match &error {
            EngineError::Config { .. } => "engine-config",
            EngineError::Context(_) => "engine-context",
            EngineError::KillReason(_) => "engine-kill-reason",
            EngineError::Closed => "engine-closed",
            EngineError::Host { .. } => "engine-host",
        };
        Failure { code, message: error.to_string() }
    }
}

impl From<LeaseError> for Failure {
    fn from(error: LeaseError) -> Failure {
        Failure { code: error.code(), message: error.to_string() }
    }
}

impl From<PrivilegeError> for Failure {
    fn from(error: PrivilegeError) -> Failure {
        Failure { code: "privileges", message: error.to_string() }
    }
}

/// Thrown by a synchronous function.
impl From<Failure> for Error<Code> {
    fn from(failure: Failure) -> Error<Code> {
        Error::new(failure.code.to_owned(), failure.message)
    }
}

impl Failure {
    /// For a promise, whose rejections otherwise carry only the codes of Node-API itself.
    pub fn into_rejection(self, env: &Env) -> Error {
        JsError::from(Error::<Code>::from(self)).into_unknown(*env).into()
    }
}
