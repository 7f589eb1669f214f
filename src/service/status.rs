//! The one place that makes a gRPC status.
//!
//! The client turns INTERNAL, UNAVAILABLE, UNAUTHENTICATED and PERMISSION_DENIED into an IOError and repeats an
//! action that failed so up to five times (`airport_rpc.cpp`): a user's mistake is never one of them.

use tonic::{Code, Status};
use tracing::error;

use crate::{engine, protocol};

/// What a call answers with when it does not answer.
pub(super) fn status(failure: impl Into<Failure>) -> Status {
    match failure.into() {
        Failure::Engine(error) => {
            let text = text_of(&error);
            if matches!(error, engine::Error::Internal { .. }) {
                error!(error = text, "a call failed");
            }
            Status::new(code_of(&error), text)
        }
        Failure::Malformed(text) => Status::new(Code::InvalidArgument, text),
        Failure::Unsupported(text) => Status::new(Code::Unimplemented, text),
        Failure::Broken(status) => status,
    }
}

/// Why a call fails.
#[derive(Debug)]
pub(super) enum Failure {
    /// The engine or the catalog refused or failed.
    Engine(engine::Error),
    /// The request could not be understood.
    Malformed(String),
    /// The request was understood and is not offered.
    Unsupported(String),
    /// The client's half of the call broke off, or was refused by the transport (too long a message, for one).
    Broken(Status),
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<protocol::DecodeError> for Failure {
    fn from(error: protocol::DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<protocol::types::Unsupported> for Failure {
    fn from(error: protocol::types::Unsupported) -> Self {
        Self::Engine(error.into())
    }
}

/// Shorthand of everything in this module's siblings that can fail.
pub(super) type Answer<T> = Result<T, Failure>;

const fn code_of(error: &engine::Error) -> Code {
    match error {
        engine::Error::InvalidArgument(_) => Code::InvalidArgument,
        engine::Error::NotFound(_) => Code::NotFound,
        engine::Error::AlreadyExists(_) => Code::AlreadyExists,
        engine::Error::FailedPrecondition(_) => Code::FailedPrecondition,
        engine::Error::Conflict(_) => Code::Aborted,
        engine::Error::ResourceExhausted(_) => Code::ResourceExhausted,
        engine::Error::Unsupported(_) => Code::Unimplemented,
        engine::Error::Internal { .. } => Code::Internal,
    }
}

/// The error and its causes, in one line.
pub(super) fn text_of(failure: &engine::Error) -> String {
    let mut text = failure.to_string();
    let mut cause = std::error::Error::source(failure);
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
