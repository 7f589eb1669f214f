//! What is known of a connection's other end. Facts only: what they permit is decided elsewhere.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The other end of a connection. Cheap to clone: every request carries one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP.
    Tcp {
        /// This end's address.
        local: SocketAddr,
        /// The other end's address: the host, or the proxy before it.
        remote: SocketAddr,
    },
    /// Over a Unix socket. The other end of an accepted connection has no address, but it has credentials.
    Unix {
        /// The socket file that was dialled.
        path: Arc<Path>,
        /// Who the other process was when it connected (or listened), vouched for by the kernel; `None` where the
        /// kernel would not say.
        credentials: Option<Credentials>,
    },
    /// In this process.
    Memory,
}

/// A process at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its process, where the system tells. A fact for logs only: the number may belong to another process by now.
    pub pid: Option<i32>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { remote, .. } => write!(f, "tcp {remote}"),
            Self::Unix { credentials: Some(credentials), .. } => write!(f, "unix {credentials}"),
            Self::Unix { credentials: None, .. } => f.write_str("unix peer without credentials"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {} gid {}", self.uid, self.gid)?;
        self.pid.map_or(Ok(()), |pid| write!(f, " pid {pid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_print_what_identifies_them() {
        let address = |text: &str| text.parse().unwrap();
        let tcp = Peer::Tcp { local: address("127.0.0.1:1"), remote: address("[::1]:2") };
        assert_eq!(tcp.to_string(), "tcp [::1]:2");
        let unix = |credentials| Peer::Unix { path: Path::new("/x").into(), credentials };
        let credentials = Credentials { uid: 1, gid: 2, pid: Some(3) };
        assert_eq!(unix(Some(credentials)).to_string(), "unix uid 1 gid 2 pid 3");
        assert_eq!(unix(Some(Credentials { pid: None, ..credentials })).to_string(), "unix uid 1 gid 2");
        assert_eq!(unix(None).to_string(), "unix peer without credentials");
    }
}
