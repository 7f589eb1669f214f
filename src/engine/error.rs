//! What can go wrong behind the seam, by what the caller can do about it.

use std::sync::Arc;

/// The result of every fallible call on the seam.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a failure. The variant says what helps next; the text is shown to the user as it is:
/// lower case, no full stop, and it names the table, column or option it is about.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The caller's request can never work as it is.
    #[error("{0}")]
    InvalidArgument(String),
    /// The named schema or table does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken.
    #[error("{0}")]
    AlreadyExists(String),
    /// The request is well formed but does not fit the present state (a changed shape, an expired pin).
    #[error("{0}")]
    FailedPrecondition(String),
    /// Another commit won; nothing was changed.
    #[error("{0}")]
    Conflict(String),
    /// A bound from the configuration was reached; the text names it.
    #[error("{0}")]
    ResourceExhausted(String),
    /// The table or type needs something this server does not offer; the text names it.
    #[error("{0}")]
    Unsupported(String),
    /// Storage or the server itself failed.
    #[error("{context}")]
    Internal {
        /// What was being done.
        context: String,
        /// Why it failed.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Wraps a failure of storage, codec or task with what was being done.
    pub fn internal(context: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { context: context.into(), source: source.into().into() }
    }
}
