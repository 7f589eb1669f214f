//! Streams that break on purpose after so many bytes, for tests of whatever reads and writes them:
//! `connection.map_stream(|stream| FaultStream::new(stream, fault))`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Where and how a stream breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which bytes count.
    pub direction: Direction,
    /// How many of them still pass.
    pub after_bytes: u64,
    /// What happens then.
    pub kind: FaultKind,
}

/// The direction of bytes, seen from the stream's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Bytes read.
    Read,
    /// Bytes written.
    Write,
}

/// How a stream breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection closes in order: reads end, writes fail with `BrokenPipe`. The other end sees the end too.
    Cut,
    /// The connection fails: reads and writes give `ConnectionReset`. The other end sees the end.
    Reset,
    /// The direction waits for ever; the other direction and the connection live on.
    Stall,
}

/// A stream with a fault to come.
#[derive(Debug)]
pub struct FaultStream<S> {
    /// `None` once it was cut or reset, so that the other end notices.
    inner: Option<S>,
    fault: Fault,
    left_bytes: u64,
}

impl<S> FaultStream<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, fault: Fault) -> Self {
        Self { inner: Some(inner), fault, left_bytes: fault.after_bytes }
    }

    /// How many bytes may pass in `direction` now: all that are `wanted`, or fewer before the fault. `None` is a
    /// stall.
    fn allowance(&mut self, direction: Direction, wanted: usize) -> Option<usize> {
        if direction != self.fault.direction || wanted == 0 {
            return Some(wanted);
        }
        if self.left_bytes == 0 {
            if self.fault.kind == FaultKind::Stall {
                return None;
            }
            self.inner = None;
        }
        Some(usize::try_from(self.left_bytes).map_or(wanted, |left| left.min(wanted)))
    }

    fn count(&mut self, direction: Direction, bytes: usize) {
        if direction == self.fault.direction {
            self.left_bytes -= bytes as u64;
        }
    }

    fn read_broken(&self) -> io::Result<()> {
        if self.fault.kind == FaultKind::Reset { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    fn write_broken(&self) -> io::Error {
        let reset = self.fault.kind == FaultKind::Reset;
        if reset { io::ErrorKind::ConnectionReset } else { io::ErrorKind::BrokenPipe }.into()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FaultStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(allowed) = self.allowance(Direction::Read, buf.remaining()) else { return Poll::Pending };
        let Some(inner) = &mut self.inner else { return Poll::Ready(self.read_broken()) };
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
        std::task::ready!(Pin::new(inner).poll_read(cx, &mut part))?;
        let bytes = part.filled().len();
        buf.advance(bytes);
        self.count(Direction::Read, bytes);
        Poll::Ready(Ok(()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: AsyncWrite + Unpin> AsyncWrite for FaultStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(allowed) = self.allowance(Direction::Write, buf.len()) else { return Poll::Pending };
        let Some(inner) = &mut self.inner else { return Poll::Ready(Err(self.write_broken())) };
        let bytes = std::task::ready!(Pin::new(inner).poll_write(cx, &buf[..allowed]))?;
        self.count(Direction::Write, bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(Err(self.write_broken())) };
        Pin::new(inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(Ok(())) };
        Pin::new(inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        match self.allowance(Direction::Write, wanted) {
            Some(allowed) if allowed == wanted => {
                let Some(inner) = &mut self.inner else { return Poll::Ready(Err(self.write_broken())) };
                let bytes = std::task::ready!(Pin::new(inner).poll_write_vectored(cx, bufs))?;
                self.count(Direction::Write, bytes);
                Poll::Ready(Ok(bytes))
            }
            // Near the fault one slice at a time, so that the last byte to pass is exact.
            _ => {
                let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| buf);
                self.poll_write(cx, first)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn faulty(direction: Direction, after_bytes: u64, kind: FaultKind) -> (FaultStream<DuplexStream>, DuplexStream) {
        let (here, there) = duplex(1024);
        (FaultStream::new(here, Fault { direction, after_bytes, kind }), there)
    }

    #[tokio::test]
    async fn a_cut_read_ends_after_exactly_so_many_bytes_on_both_sides() {
        let (mut stream, mut there) = faulty(Direction::Read, 5, FaultKind::Cut);
        there.write_all(b"0123456789").await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"01234");
        assert_eq!(stream.write_all(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(there.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_reset_write_fails_after_exactly_so_many_bytes() {
        for vectored in [false, true] {
            let (mut stream, mut there) = faulty(Direction::Write, 5, FaultKind::Reset);
            let error = if vectored {
                let slices = [IoSlice::new(b"012"), IoSlice::new(b"3456")];
                assert_eq!(stream.write_vectored(&slices).await.unwrap(), 3);
                stream.write_all(b"3456").await.unwrap_err()
            } else {
                stream.write_all(b"0123456789").await.unwrap_err()
            };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            let mut received = Vec::new();
            there.read_to_end(&mut received).await.unwrap();
            assert_eq!(received, b"01234");
        }
    }

    #[tokio::test]
    async fn a_stall_holds_one_direction_only() {
        let (mut stream, mut there) = faulty(Direction::Read, 2, FaultKind::Stall);
        there.write_all(b"0123").await.unwrap();
        let mut received = [0; 2];
        stream.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"01");
        let mut more = [0; 1];
        let stalled = tokio::select! {
            biased;
            _ = stream.read(&mut more) => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(stalled);
        stream.write_all(b"x").await.unwrap();
        assert_eq!(there.read_u8().await.unwrap(), b'x');
    }
}
