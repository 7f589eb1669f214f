//! Lets clients built on gRPC C++ (DuckDB's Airport extension is one) call a Rust server over a Unix socket.
//!
//! For `unix:/run/x/y.sock` gRPC C++ sends the socket's path, percent-encoded, as `:authority: run%2Fx%2Fy.sock`. The
//! crates `http` and `h2` refuse `%` in an authority and reset the stream. [`AuthorityFilter`] writes `-` over it
//! before they see it, in place, so that no length changes anywhere.
//!
//! Bytes other than header blocks are handed through where they were read, without a copy: bulk data pays only for
//! counting it. A header block is held back until it is whole, because a character may straddle two reads or two
//! frames. What is no HTTP/2, or makes no sense as such, passes unchanged.

mod frames;
mod hpack;
mod huffman;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Connection, Peer};
use frames::Frames;

/// The server's end of a Unix connection, with the authority of requests made acceptable as they are read.
#[derive(Debug)]
pub struct AuthorityFilter<S> {
    inner: S,
    frames: Frames,
    /// A header block that was held back and may pass, and how much of it has.
    released: Vec<u8>,
    passed: usize,
}

impl<S> AuthorityFilter<S> {
    /// Filters what is read from `inner`, from the first byte of the connection on.
    pub fn new(inner: S) -> Self {
        Self { inner, frames: Frames::new(), released: Vec::new(), passed: 0 }
    }

    fn release(&mut self, block: Vec<u8>) {
        self.released = block;
        self.passed = 0;
    }

    /// Hands on what was released; says whether there was anything.
    fn drain(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = &self.released[self.passed..];
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        self.passed += length;
        length > 0
    }
}

impl<S: AsyncRead + Unpin> AuthorityFilter<S> {
    /// Reads into place while no block is held back. What of it begins a block is taken out again, but never all: a
    /// frame's header passes.
    fn poll_pass(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let passes = self.frames.pass(&mut buf.filled_mut()[before..]);
        buf.set_filled(before + passes);
        Poll::Ready(Ok(()))
    }
}

/// Puts the filter on an accepted connection if it came over a Unix socket.
pub fn accept_encoded_paths(connection: Connection) -> Connection {
    match connection.peer() {
        Peer::Unix { .. } => connection.map_stream(AuthorityFilter::new),
        Peer::Tcp { .. } | Peer::Memory => connection,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AuthorityFilter<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Reading nothing is how the end of the stream is told, so a held back block is read until it may pass.
        while buf.remaining() > 0 && !this.drain(buf) {
            let Some(lacking) = this.frames.lacking() else { return this.poll_pass(cx, buf) };
            // The caller's buffer only lends its room: never more than the block lacks, so that what follows it is
            // read into place afterwards.
            let mut part = buf.take(lacking);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
            let is_end = part.filled().is_empty();
            let block = if is_end { Some(this.frames.give_up()) } else { this.frames.hold(part.filled()) };
            if let Some(block) = block {
                this.release(block);
            }
            if is_end && this.released.is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: AsyncWrite + Unpin> AsyncWrite for AuthorityFilter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
