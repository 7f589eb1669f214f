//! The seam: what a transport implements, and the choice of one by endpoint.

use async_trait::async_trait;

use crate::tcp::{TcpConnector, TcpListener};
use crate::unix::{UnixConnector, UnixListener, UnixOptions};
use crate::{AcceptError, Connection, Endpoint, Error};

/// A bound endpoint.
///
/// - `accept` is cancel safe: dropping its future loses no connection that was already accepted.
/// - `accept` never waits for the peer it accepts: a handshake belongs to the first use of the connection's stream, so
///   that one slow peer cannot keep others out.
/// - An error says what to do next and leaves the listener usable, except [`AcceptError::Closed`], which stays.
/// - Dropping the listener closes it: later dials are refused, and what it left in the file system is gone.
#[async_trait]
pub trait Listener: Send {
    /// Where it listens, as bound: a port 0 has become the port that was given.
    fn endpoint(&self) -> &Endpoint;

    /// The next connection.
    async fn accept(&mut self) -> Result<Connection, AcceptError>;
}

/// A way to an endpoint.
///
/// `dial` has no time limit of its own: its caller sets one by dropping the future, which leaves nothing open.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Where it dials.
    fn endpoint(&self) -> &Endpoint;

    /// Opens a connection, or says [`Error::Resolve`] or [`Error::Dial`].
    async fn dial(&self) -> Result<Connection, Error>;
}

/// How to listen, for the transports that can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenOptions {
    /// For Unix sockets.
    pub unix: UnixOptions,
}

/// Listens on `endpoint`. Peers may connect from then on, and wait until they are accepted.
pub async fn listen(endpoint: &Endpoint, options: &ListenOptions) -> Result<Box<dyn Listener>, Error> {
    Ok(match endpoint {
        Endpoint::Tcp { .. } => Box::new(TcpListener::bind(endpoint).await?),
        Endpoint::Unix { path } => Box::new(UnixListener::bind(path, &options.unix)?),
        Endpoint::Memory { .. } => return Err(Error::Unreachable { endpoint: endpoint.clone() }),
    })
}

/// A connector to `endpoint`. Nothing is looked up or opened before it dials.
pub fn connector(endpoint: &Endpoint) -> Result<Box<dyn Connector>, Error> {
    Ok(match endpoint {
        Endpoint::Tcp { host, port } => Box::new(TcpConnector::new(host.clone(), *port)),
        Endpoint::Unix { path } => Box::new(UnixConnector::new(path)),
        Endpoint::Memory { .. } => return Err(Error::Unreachable { endpoint: endpoint.clone() }),
    })
}
