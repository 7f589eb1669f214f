//! A connection: a byte stream of any transport, and its peer.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::Peer;

/// What every transport's stream can do. Dropping it closes both directions; `poll_shutdown` closes only this end's
/// writes, which the other end reads as the end of the stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// An open connection.
pub struct Connection {
    stream: Box<dyn ByteStream>,
    peer: Peer,
    /// Its place under a [`ConnectionLimit`](crate::ConnectionLimit), given back when the connection is dropped.
    slot: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// A connection over `stream`.
    pub fn new(stream: impl ByteStream + 'static, peer: Peer) -> Self {
        Self { stream: Box::new(stream), peer, slot: None }
    }

    /// What is known of the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The same connection with its stream wrapped: by TLS, by
    /// [`AuthorityFilter`](crate::unix::authority::AuthorityFilter), by a [fault](crate::fault).
    #[must_use]
    pub fn map_stream<S: ByteStream + 'static>(self, wrap: impl FnOnce(Box<dyn ByteStream>) -> S) -> Self {
        Self { stream: Box::new(wrap(self.stream)), ..self }
    }

    pub(crate) fn with_slot(self, slot: OwnedSemaphorePermit) -> Self {
        Self { slot: Some(slot), ..self }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("slot", &self.slot.is_some())
            .finish_non_exhaustive()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

#[deny(clippy::missing_trait_methods)]
impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
