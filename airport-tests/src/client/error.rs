//! How a call failed.

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal by the server, or an answer the real client could not use.
#[derive(Debug, Clone)]
pub enum Error {
    /// The server ended the call with a code other than OK.
    Refused {
        /// The gRPC code.
        code: tonic::Code,
        /// The text shown to the user.
        message: String,
    },
    /// The server answered with something the real client refuses.
    Malformed(String),
}

impl Error {
    /// The gRPC code of a refusal.
    ///
    /// # Panics
    /// If the server did not refuse but answered badly.
    pub fn code(&self) -> tonic::Code {
        match self {
            Self::Refused { code, .. } => *code,
            Self::Malformed(reason) => panic!("the answer is malformed: {reason}"),
        }
    }

    /// The text shown to the user.
    pub fn message(&self) -> &str {
        match self {
            Self::Refused { message, .. } | Self::Malformed(message) => message,
        }
    }

    pub(super) fn malformed(reason: impl std::fmt::Display) -> Self {
        Self::Malformed(reason.to_string())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { code, message } => write!(f, "refused with {code:?}: {message}"),
            Self::Malformed(reason) => write!(f, "malformed answer: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Refused { code: status.code(), message: status.message().to_owned() }
    }
}
