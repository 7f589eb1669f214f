//! Byte transports: where connections come from and what carries them. This crate knows bytes and peers; what the
//! bytes mean (Flight, gRPC) and who may call is the caller's.
//!
//! # Code map, in reading order
//!
//! - [`endpoint`]: addresses as users write them.
//! - [`listener`]: the seam: [`Listener`] accepts, [`Connector`] dials, and [`listen`] and [`connector`] choose by
//!   endpoint.
//! - [`connection`], [`peer`]: what both hand out: a byte stream, and the facts known of its other end.
//! - [`accept`]: the accept loop: survives errors, bounds connections, stops when told.
//! - [`linger`]: closing TCP without losing the end of an answer.
//! - [`tcp`], [`unix`]: the transports; [`unix::authority`] makes gRPC C++ clients acceptable on Unix sockets.
//! - [`memory`], [`fault`]: a transport without a kernel, and streams that break on purpose, both for tests.
//!
//! # How another transport joins
//!
//! It adds a variant to [`Endpoint`] and to [`Peer`] (a peer need not have a socket address), implements [`Listener`]
//! and [`Connector`], and passes the contract suite. TLS wraps a connection's stream ([`Connection::map_stream`]) and
//! does its handshake on the stream's first use, because `accept` must not wait for a peer. A transport of messages
//! (RDMA) brings its own adapter to `AsyncRead + AsyncWrite`.

pub mod accept;
pub mod connection;
pub mod endpoint;
pub mod error;
pub mod fault;
pub mod linger;
pub mod listener;
pub mod memory;
pub mod peer;
pub mod tcp;
pub mod unix;

#[cfg(test)]
mod contract;

pub use accept::{ConnectionLimit, incoming};
pub use connection::{ByteStream, Connection};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{AcceptError, Error};
pub use listener::{Connector, ListenOptions, Listener, connector, listen};
pub use peer::{Credentials, Peer};
pub use unix::UnixOptions;

/// How many peers may wait in the kernel between two accepts. A burst of clients (one DuckDB opens a connection a
/// thread) must not see refusals while the accept loop is busy; Linux caps this at `net.core.somaxconn` (4096).
const BACKLOG: i32 = 1024;
