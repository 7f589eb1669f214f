//! Unix sockets: who may connect is decided by the socket file's owner and mode, and who did is told by the kernel.

pub mod authority;
mod socket_file;

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;

use crate::{AcceptError, BACKLOG, Connection, Connector, Credentials, Endpoint, Error, Listener, Peer};
use socket_file::{Claim, SocketFile};

/// Whom a socket file admits. Connecting needs the right to write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixOptions {
    /// The nine permission bits. The default is 0o600: this user (and root) only, because whoever connects reads and
    /// writes tables with the server's rights. To admit a group, set 0o660 and `gid`.
    pub mode: u32,
    /// The owner, if not the server's own user. Changing it needs privilege.
    pub uid: Option<u32>,
    /// The group, if not the server's own. Any group the server belongs to may be given.
    pub gid: Option<u32>,
}

impl Default for UnixOptions {
    fn default() -> Self {
        Self { mode: 0o600, uid: None, gid: None }
    }
}

/// A listening Unix socket. Dropping it removes the socket file, if that is still its own.
#[derive(Debug)]
pub struct UnixListener {
    // Before `listener`: the file must be removed while the socket still holds its inode, see `SocketFile`.
    _file: SocketFile,
    listener: tokio::net::UnixListener,
    path: Arc<Path>,
    endpoint: Endpoint,
}

impl UnixListener {
    /// Listens on `path`. A socket file that nobody listens on any more is replaced; one that is in use, or anything
    /// that is no socket, is refused and left alone. Makes a few short file system calls and never waits.
    pub fn bind(path: &Path, options: &UnixOptions) -> Result<Self, Error> {
        let endpoint = Endpoint::Unix { path: path.to_owned() };
        if options.mode > 0o777 {
            return Err(Error::Mode { endpoint, mode: options.mode });
        }
        let claim = Claim::take(path)?;
        let refused = |cause| Error::Listen { endpoint: endpoint.clone(), cause };
        let socket = bind_socket(path).map_err(refused)?;
        let file = claim.bound()?;
        file.admit(options)?;
        // Until here every connect is refused, so nobody can get in by the permissions that bind gave the file.
        socket.listen(BACKLOG).map_err(refused)?;
        let listener = tokio::net::UnixListener::from_std(socket.into()).map_err(refused)?;
        Ok(Self { _file: file, listener, path: path.into(), endpoint })
    }
}

#[async_trait]
impl Listener for UnixListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> Result<Connection, AcceptError> {
        let (stream, _) = self.listener.accept().await.map_err(AcceptError::from_accept)?;
        Ok(connection(stream, &self.path))
    }
}

/// Dials a Unix socket.
#[derive(Debug)]
pub struct UnixConnector {
    path: Arc<Path>,
    endpoint: Endpoint,
}

impl UnixConnector {
    /// A connector to the socket file at `path`.
    pub fn new(path: &Path) -> Self {
        Self { path: path.into(), endpoint: Endpoint::Unix { path: path.to_owned() } }
    }
}

#[async_trait]
impl Connector for UnixConnector {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn dial(&self) -> Result<Connection, Error> {
        match UnixStream::connect(&self.path).await {
            Ok(stream) => Ok(connection(stream, &self.path)),
            Err(cause) => Err(Error::Dial { endpoint: self.endpoint.clone(), cause }),
        }
    }
}

fn bind_socket(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket)
}

fn connection(stream: UnixStream, path: &Arc<Path>) -> Connection {
    let credentials = stream.peer_cred().ok();
    let credentials = credentials.map(|c| Credentials { uid: c.uid(), gid: c.gid(), pid: c.pid() });
    Connection::new(stream, Peer::Unix { path: Arc::clone(path), credentials })
}

#[cfg(test)]
mod tests;
