//! A transport inside the process, for tests: as bounded as a socket, without a kernel, a port or a file.

use std::io;

use async_trait::async_trait;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::{AcceptError, Connection, Connector, Endpoint, Error, Listener, Peer};

/// What one direction holds before its writer waits, of the order of a socket's buffer: tests meet back-pressure.
const BUFFER_BYTES: usize = 64 << 10;

/// Connections that may wait to be accepted; the next dial waits, as it does on a full Unix socket.
const BACKLOG: usize = 16;

/// Accepts what its [`MemoryConnector`]s dial.
#[derive(Debug)]
pub struct MemoryListener {
    endpoint: Endpoint,
    dialled: mpsc::Receiver<DuplexStream>,
}

/// Dials a [`MemoryListener`].
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    endpoint: Endpoint,
    dial: mpsc::Sender<DuplexStream>,
}

/// A listener and the way to it. `name` tells several apart in messages.
pub fn memory(name: &str) -> (MemoryListener, MemoryConnector) {
    let (dial, dialled) = mpsc::channel(BACKLOG);
    let endpoint = Endpoint::Memory { name: name.to_owned() };
    (MemoryListener { endpoint: endpoint.clone(), dialled }, MemoryConnector { endpoint, dial })
}

#[async_trait]
impl Listener for MemoryListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Closed once every connector is gone.
    async fn accept(&mut self) -> Result<Connection, AcceptError> {
        let stream = self.dialled.recv().await.ok_or(AcceptError::Closed)?;
        Ok(Connection::new(stream, Peer::Memory))
    }
}

#[async_trait]
impl Connector for MemoryConnector {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn dial(&self) -> Result<Connection, Error> {
        let (here, there) = tokio::io::duplex(BUFFER_BYTES);
        match self.dial.send(there).await {
            Ok(()) => Ok(Connection::new(here, Peer::Memory)),
            Err(_) => {
                Err(Error::Dial { endpoint: self.endpoint.clone(), cause: io::ErrorKind::ConnectionRefused.into() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Setup, transport_contract};

    async fn setup() -> Setup {
        let (listener, connector) = memory("test");
        Setup { listener: Box::new(listener), connector: Box::new(connector), directory: None }
    }

    transport_contract!(setup);

    #[tokio::test]
    async fn a_listener_without_connectors_is_closed() {
        let (mut listener, connector) = memory("test");
        drop(connector);
        assert!(matches!(listener.accept().await, Err(AcceptError::Closed)));
        assert!(matches!(listener.accept().await, Err(AcceptError::Closed)), "closed stays closed");
    }
}
