//! TCP, set for calls that are either short or long-lived: no delay for the small messages, keepalive for the long
//! silences. Knows nothing of TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

use crate::linger::Lingering;
use crate::{AcceptError, BACKLOG, Connection, Connector, Endpoint, Error, Listener, Peer};

/// Silence after which the system probes whether the peer is still there: below the idle limits of common load
/// balancers and NATs (350 s on AWS, 240 s on Azure), which would drop a long query's connection without a word.
const KEEPALIVE_AFTER_S: u64 = 60;

/// Time between probes: a lost packet or a short outage must not look like a dead peer.
const KEEPALIVE_INTERVAL_S: u64 = 10;

/// Unanswered probes before the connection is given up, so that a vanished client frees what it holds after two
/// minutes (60 s + 6 x 10 s) and not after the two hours of Linux's default.
const KEEPALIVE_PROBES: u32 = 6;

/// A TCP listener.
#[derive(Debug)]
pub struct TcpListener {
    listener: tokio::net::TcpListener,
    endpoint: Endpoint,
}

impl TcpListener {
    /// Binds the first address of `endpoint`'s host that can be bound.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, Error> {
        let mut refusal = None;
        for address in resolve(endpoint).await? {
            match bind_address(address) {
                Ok(listener) => return Ok(listener),
                Err(cause) => refusal = Some(cause),
            }
        }
        let endpoint = endpoint.clone();
        Err(match refusal {
            Some(cause) => Error::Listen { endpoint, cause },
            None => Error::Resolve { endpoint, cause: io::Error::other("the host has no address") },
        })
    }
}

#[async_trait]
impl Listener for TcpListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> Result<Connection, AcceptError> {
        let (stream, remote) = self.listener.accept().await.map_err(AcceptError::from_accept)?;
        let local = stream.local_addr().map_err(AcceptError::PeerLost)?;
        prepare(&stream);
        Ok(Connection::new(Lingering::new(stream), Peer::Tcp { local, remote }))
    }
}

/// Dials a TCP endpoint, resolving its host anew each time.
#[derive(Debug)]
pub struct TcpConnector {
    host: String,
    port: u16,
    endpoint: Endpoint,
}

impl TcpConnector {
    /// A connector to a host name or address (IPv6 without brackets).
    pub fn new(host: String, port: u16) -> Self {
        let endpoint = Endpoint::Tcp { host: host.clone(), port };
        Self { host, port, endpoint }
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let peer = Peer::Tcp { local: stream.local_addr()?, remote: stream.peer_addr()? };
        prepare(&stream);
        Ok(Connection::new(stream, peer))
    }
}

#[async_trait]
impl Connector for TcpConnector {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn dial(&self) -> Result<Connection, Error> {
        self.connect().await.map_err(|cause| Error::Dial { endpoint: self.endpoint.clone(), cause })
    }
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Error> {
    let Endpoint::Tcp { host, port } = endpoint else {
        return Err(Error::Unreachable { endpoint: endpoint.clone() });
    };
    match tokio::net::lookup_host((host.as_str(), *port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(cause) => Err(Error::Resolve { endpoint: endpoint.clone(), cause }),
    }
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must get its port back while connections of its predecessor are still in TIME_WAIT. On Linux
    // this does not let two servers share a port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = tokio::net::TcpListener::from_std(socket.into())?;
    let endpoint = Endpoint::tcp(listener.local_addr()?);
    Ok(TcpListener { listener, endpoint })
}

/// Sets what both ends need. A refusal means that the peer has gone already, which the first read will say.
fn prepare(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(KEEPALIVE_AFTER_S))
        .with_interval(Duration::from_secs(KEEPALIVE_INTERVAL_S))
        .with_retries(KEEPALIVE_PROBES);
    // Nagle's algorithm would hold the last small frame of each message back for up to an acknowledgement's delay.
    let outcome = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = outcome {
        tracing::debug!(%error, "tcp options not set");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Setup, transport_contract};
    use crate::{ListenOptions, connector, listen};

    async fn bind(text: &str) -> Result<Box<dyn Listener>, Error> {
        listen(&text.parse().unwrap(), &ListenOptions::default()).await
    }

    async fn setup() -> Setup {
        let listener = bind("tcp://127.0.0.1:0").await.unwrap();
        let connector = connector(listener.endpoint()).unwrap();
        Setup { listener, connector, directory: None }
    }

    transport_contract!(setup);

    #[tokio::test]
    async fn port_zero_becomes_the_port_that_was_given() {
        let listener = bind("tcp://127.0.0.1:0").await.unwrap();
        assert!(matches!(listener.endpoint(), Endpoint::Tcp { host, port } if host == "127.0.0.1" && *port != 0));
    }

    #[tokio::test]
    async fn host_names_are_resolved_by_both_ends() {
        let mut listener = bind("tcp://localhost:0").await.unwrap();
        let Endpoint::Tcp { port, .. } = listener.endpoint().clone() else { unreachable!() };
        let connector = connector(&format!("tcp://localhost:{port}").parse().unwrap()).unwrap();
        let (dialled, accepted) = tokio::join!(connector.dial(), listener.accept());
        dialled.unwrap();
        accepted.unwrap();
    }

    #[tokio::test]
    async fn each_end_knows_the_addresses_of_both() {
        let mut setup = setup().await;
        let (dialled, accepted) = setup.connect().await;
        let (Peer::Tcp { local: a, remote: b }, Peer::Tcp { local: c, remote: d }) = (dialled.peer(), accepted.peer())
        else {
            panic!("{dialled:?} {accepted:?}")
        };
        assert_eq!((a, b), (d, c));
    }

    #[tokio::test]
    async fn streams_have_no_delay_and_are_kept_alive() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (stream, _) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let stream = stream.unwrap();
        prepare(&stream);
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(KEEPALIVE_AFTER_S));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(KEEPALIVE_INTERVAL_S));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), KEEPALIVE_PROBES);
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_by_name() {
        let first = bind("tcp://127.0.0.1:0").await.unwrap();
        let text = first.endpoint().to_string();
        let error = bind(&text).await.err().unwrap();
        assert!(matches!(&error, Error::Listen { cause, .. } if cause.kind() == io::ErrorKind::AddrInUse), "{error}");
        assert!(error.to_string().contains(&text), "{error}");
    }

    #[tokio::test]
    async fn a_port_can_be_bound_again_at_once() {
        let mut first = setup().await;
        let (dialled, accepted) = first.connect().await;
        let text = first.listener.endpoint().to_string();
        // The server's end closes first, so that it is the one in TIME_WAIT.
        drop(accepted);
        drop(dialled);
        drop(first);
        assert_eq!(bind(&text).await.unwrap().endpoint().to_string(), text);
    }

    #[tokio::test]
    async fn an_unknown_host_is_refused_by_name() {
        // A label of 64 bytes fits into no query (RFC 1035, section 2.3.4), so the resolver refuses it by itself.
        let text = format!("tcp://{}:1", "x".repeat(64));
        let error = bind(&text).await.err().unwrap();
        assert!(matches!(error, Error::Resolve { .. }), "{error}");
        assert!(error.to_string().contains(&text), "{error}");
    }
}
