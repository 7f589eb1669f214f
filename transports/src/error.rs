//! What can go wrong before bytes flow, by what the reader of the message can do about it. Each text holds its cause:
//! it is the last line a server prints when it cannot start.

use std::io;
use std::path::PathBuf;

use crate::Endpoint;

/// Why an endpoint cannot be listened on or dialled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host name means nothing here.
    #[error("cannot resolve the host of {endpoint}: {cause}")]
    Resolve {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// What the resolver said.
        cause: io::Error,
    },
    /// The system refused the address.
    #[error("cannot listen on {endpoint}: {cause}")]
    Listen {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// What the system said.
        cause: io::Error,
    },
    /// The other end could not be reached.
    #[error("cannot connect to {endpoint}: {cause}")]
    Dial {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// What the system said.
        cause: io::Error,
    },
    /// An endpoint that only its own listener can make connectors for.
    #[error("{endpoint} cannot be opened by address: use tcp://HOST:PORT or unix:///ABSOLUTE/PATH")]
    Unreachable {
        /// The endpoint asked for.
        endpoint: Endpoint,
    },
    /// The directory of the socket file is missing.
    #[error("cannot listen on {endpoint}: directory {} does not exist, create it or choose another path", directory.display())]
    NoDirectory {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// The missing directory.
        directory: PathBuf,
    },
    /// A running server accepts on the socket file.
    #[error("cannot listen on {endpoint}: another server is listening there, stop it or choose another path")]
    Live {
        /// The endpoint asked for.
        endpoint: Endpoint,
    },
    /// A running server holds the socket file's lock.
    #[error("cannot listen on {endpoint}: another server holds {}, stop it or choose another path", lock.display())]
    Locked {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// The lock file.
        lock: PathBuf,
    },
    /// Something that is no socket is in the way. It is never removed.
    #[error(
        "cannot listen on {endpoint}: the path is {found}, not a socket, and is left as it is; choose another path"
    )]
    NotASocket {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// What lies there.
        found: &'static str,
    },
    /// A socket file of which cannot be told whether a server uses it. It is never removed.
    #[error("cannot listen on {endpoint}: cannot tell whether the socket there is in use: {cause}")]
    Doubtful {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// What connecting to it gave.
        cause: io::Error,
    },
    /// The permission bits are more than nine.
    #[error("cannot listen on {endpoint}: socket mode {mode:o} is not one of 000 to 777")]
    Mode {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// The mode asked for.
        mode: u32,
    },
    /// A step on the socket file or its lock failed.
    #[error("cannot listen on {endpoint}: cannot {step} {}: {cause}", path.display())]
    File {
        /// The endpoint asked for.
        endpoint: Endpoint,
        /// What was being done, as a verb.
        step: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

/// Why a listener gave no connection, by what its caller does next.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// One peer was lost before it was accepted. Accept again at once.
    #[error("a peer was lost before it was accepted: {0}")]
    PeerLost(#[source] io::Error),
    /// The process or the host has run out of something (descriptors, memory). Accept again after a while: trying at
    /// once would only spin.
    #[error("cannot accept for now: {0}")]
    Exhausted(#[source] io::Error),
    /// No connection will ever come again.
    #[error("the listener is closed")]
    Closed,
}

impl AcceptError {
    /// Sorts what accept(2) reports. Linux also passes on errors that the network already had for the new connection:
    /// the connection is gone, the listener is well. Everything else counts as exhaustion, because the cost of a wait
    /// is small and a listener that gives up is a dead server.
    pub(crate) fn from_accept(error: io::Error) -> Self {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
            PermissionDenied, TimedOut,
        };
        match error.kind() {
            ConnectionAborted | ConnectionReset | HostUnreachable | Interrupted | NetworkDown | NetworkUnreachable
            | PermissionDenied | TimedOut => Self::PeerLost(error),
            _ => Self::Exhausted(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_peers_and_exhaustion_are_told_apart() {
        const ECONNABORTED: i32 = 103;
        const ECONNRESET: i32 = 104;
        const ENFILE: i32 = 23;
        const EMFILE: i32 = 24;
        const ENOMEM: i32 = 12;
        const ENOBUFS: i32 = 105;
        for code in [ECONNABORTED, ECONNRESET] {
            let error = AcceptError::from_accept(io::Error::from_raw_os_error(code));
            assert!(matches!(error, AcceptError::PeerLost(_)), "{error:?}");
        }
        for code in [ENFILE, EMFILE, ENOMEM, ENOBUFS] {
            let error = AcceptError::from_accept(io::Error::from_raw_os_error(code));
            assert!(matches!(error, AcceptError::Exhausted(_)), "{error:?}");
        }
    }
}
