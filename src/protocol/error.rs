//! The one way decoding fails.

use crate::engine;

/// Bytes or words that are not the message they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}: {reason}")]
pub struct DecodeError {
    /// The message, in words: `create_table request`.
    pub what: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// How much of a foreign error's text is kept: it may quote what was sent.
const REASON_CHARS_MAX: usize = 300;

impl DecodeError {
    /// An error about `what`.
    pub fn new(what: &'static str, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if let Some((cut, _)) = reason.char_indices().nth(REASON_CHARS_MAX) {
            reason.truncate(cut);
        }
        Self { what, reason }
    }
}

impl From<DecodeError> for engine::Error {
    fn from(error: DecodeError) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}
