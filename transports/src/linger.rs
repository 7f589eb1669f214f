//! Closing without loss.
//!
//! A TCP socket that is closed while bytes of the peer lie unread in it resets the connection, and the reset throws
//! away what the peer has not received yet: the end of an answer. So after this end's last byte, what the peer still
//! sends is read and dropped until it closes as well.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::ByteStream;

/// How long a peer may take to close: a few round trips of a slow network. Then it loses what it has not read.
const LINGER_MS_MAX: u64 = 1_000;

/// A stream whose shutdown ends when the peer has closed too, or has had its time.
#[derive(Debug)]
pub struct Lingering<S> {
    stream: S,
    /// Set once this end's half is closed.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S: ByteStream> Lingering<S> {
    /// The same stream, closed with care.
    pub fn new(stream: S) -> Self {
        Self { stream, deadline: None }
    }

    /// Reads and drops what comes. Ready when nothing can come any more.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scrap = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut scrap);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<S: ByteStream> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: ByteStream> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deadline.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.deadline = Some(Box::pin(sleep(Duration::from_millis(LINGER_MS_MAX))));
        }
        let late = self.deadline.as_mut().is_none_or(|deadline| deadline.as_mut().poll(cx).is_ready());
        if late { Poll::Ready(Ok(())) } else { self.poll_drained(cx).map(Ok) }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Two ends of a TCP connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn a_peer_that_wrote_in_vain_still_reads_everything() {
        let (mut peer, stream) = pair().await;
        let answer = vec![7; 8 << 20];
        let server = tokio::spawn({
            let answer = answer.clone();
            async move {
                let mut stream = Lingering::new(stream);
                stream.write_all(&answer).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        let mut read = vec![0; 1 << 20];
        peer.read_exact(&mut read).await.unwrap();
        peer.write_all(b"nobody reads this").await.unwrap();
        peer.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, answer);
        drop(peer);
        server.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_closes_is_not_waited_for_for_ever() {
        let (peer, stream) = tokio::io::duplex(64);
        Lingering::new(stream).shutdown().await.unwrap();
        drop(peer);
    }
}
