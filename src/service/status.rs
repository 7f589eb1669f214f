//! The one place that makes a gRPC status.
//!
//! The client turns INTERNAL, UNAVAILABLE, UNAUTHENTICATED and PERMISSION_DENIED into an IOError and repeats an
//! action that failed so up to five times (`airport_rpc.cpp`): a user's mistake is never one of them.

use tonic::{Code, Status, body::Body};
use tracing::error;

use crate::{config::Limits, engine, protocol};

/// What a call answers with when it does not answer.
pub(super) fn status(failure: impl Into<Failure>) -> Status {
    let (code, text) = match failure.into() {
        Failure::Engine(error) => {
            let text = text_of(&error);
            if matches!(error, engine::Error::Internal { .. }) {
                error!(error = text, "a call failed");
            }
            (code_of(&error), text)
        }
        Failure::Malformed(text) => (Code::InvalidArgument, text),
        Failure::Unsupported(text) => (Code::Unimplemented, text),
        Failure::Silent(text) => (Code::DeadlineExceeded, text),
        Failure::Broken(status) => return status,
    };
    Status::new(code, bounded(text))
}

/// The longest text of a status. It travels percent-encoded in a header, and gRPC's peers refuse more than 8 KiB of
/// those; a text that quotes what was sent may be of any length.
const TEXT_BYTES_MAX: usize = 2_000;

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push_str("...");
    }
    text
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
    /// The client let the time pass.
    Silent(String),
    /// The client's half of the call broke off, or was refused by the transport.
    Broken(Status),
}

impl Failure {
    /// The failure to receive a message; gRPC says OUT_OF_RANGE of one that is too long, and of nothing else.
    pub(super) fn receiving(status: Status, limits: &Limits) -> Self {
        match status.code() {
            Code::OutOfRange => Self::Engine(engine::Error::ResourceExhausted(format!(
                "a message is longer than {} bytes; send less at once, or start the server with a larger \
                 --message-bytes-max",
                limits.message_bytes_max
            ))),
            _ => Self::Broken(status),
        }
    }

    /// Whether what failed may have been done all the same.
    pub(super) const fn leaves_doubt(&self) -> bool {
        matches!(self, Self::Engine(engine::Error::Internal { .. }) | Self::Broken(_))
    }
}

/// What gRPC refused before there was a call, in our words where it is about a limit of ours.
pub(super) fn refused(response: http::Response<Body>, limits: &Limits) -> http::Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(refusal) if refusal.code() == Code::OutOfRange => status(Failure::receiving(refusal, limits)).into_http(),
        _ => response,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_the_caller_is_no_failure_of_the_server() {
        let user = |failure: Failure| status(failure).code();
        assert_eq!(user(Failure::Malformed("x".to_owned())), Code::InvalidArgument);
        assert_eq!(user(Failure::Unsupported("x".to_owned())), Code::Unimplemented);
        assert_eq!(user(engine::Error::NotFound("x".to_owned()).into()), Code::NotFound);
        assert_eq!(user(engine::Error::Conflict("x".to_owned()).into()), Code::Aborted);
    }

    #[test]
    fn causes_are_told_and_long_texts_are_cut_between_characters() {
        let cause = engine::Error::internal("reading", std::io::Error::other("no disk"));
        assert_eq!(status(cause).message(), "reading: no disk");
        let long = status(Failure::Malformed("ü".repeat(TEXT_BYTES_MAX)));
        assert!(long.message().len() <= TEXT_BYTES_MAX + 3 && long.message().ends_with("..."));
    }
}
