//! A transport's connection as tonic takes it, closed when nobody says anything on it.
//!
//! A peer that connects and never calls would keep its place for ever, and one that does not answer HTTP/2's own
//! farewell would hold up a shutdown for the whole grace period. Calls that run are none of this module's business.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use deltaport_transports::Connection;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::calls::ConnectionCalls;

/// How long a connection without calls may stay quiet while the server drains: many times what the end of an answer
/// takes on its way, and short against the grace period.
const QUIET_AT_SHUTDOWN: Duration = Duration::from_secs(3);

/// A connection whose calls are counted.
#[derive(Debug)]
pub struct Incoming {
    connection: Connection,
    calls: ConnectionCalls,
    /// The last byte in either direction.
    last_byte: Instant,
    /// Until the server stops: the end of the time to the first call. Then: when to look for quiet.
    look: Pin<Box<Sleep>>,
    /// Absent once the server stops.
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Incoming {
    /// Takes a connection that must call within `opening_max`; after `stop` it is closed once it is idle.
    pub fn new(connection: Connection, opening_max: Duration, stop: &CancellationToken) -> Self {
        let now = Instant::now();
        let (calls, stopping) = (ConnectionCalls::default(), Some(Box::pin(stop.clone().cancelled_owned())));
        let look = Box::pin(sleep_until(now + opening_max));
        Self { connection, calls, last_byte: now, look, stopping }
    }

    /// Ready if the connection is to be closed; looked at when there is nothing to read.
    fn poll_given_up(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping {
            if stopping.as_mut().poll(context).is_pending() {
                // Idle clients keep their connections; those that never called do not.
                return if self.calls.is_new() { self.look.as_mut().poll(context) } else { Poll::Pending };
            }
            self.stopping = None;
            self.look.as_mut().reset(self.last_byte + QUIET_AT_SHUTDOWN);
        }
        loop {
            ready!(self.look.as_mut().poll(context));
            let (now, quiet) = (Instant::now(), self.last_byte + QUIET_AT_SHUTDOWN);
            if self.calls.is_idle() && now >= quiet {
                return Poll::Ready(());
            }
            self.look.as_mut().reset(quiet.max(now + QUIET_AT_SHUTDOWN));
        }
    }

    fn note<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.last_byte = Instant::now();
        }
        polled
    }
}

impl Connected for Incoming {
    type ConnectInfo = ConnectionCalls;

    fn connect_info(&self) -> ConnectionCalls {
        self.calls.clone()
    }
}

impl AsyncRead for Incoming {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.connection).poll_read(cx, buf);
        if polled.is_pending() && self.poll_given_up(cx).is_ready() {
            tracing::debug!(peer = ?self.connection.peer(), "a silent connection is closed");
            return Poll::Ready(Ok(())); // as if the peer had closed it
        }
        self.note(polled)
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.connection).poll_write(cx, buf);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.connection).poll_write_vectored(cx, bufs);
        self.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use deltaport_transports::{Connector, Listener, memory::memory};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::service::calls::Calls;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A peer, and the connection that it made.
    async fn connected(stop: &CancellationToken) -> (Connection, Incoming) {
        let (mut listener, connector) = memory("calls");
        let peer = connector.dial().await.expect("it listens");
        let accepted = listener.accept().await.expect("somebody dialled");
        (peer, Incoming::new(accepted, MINUTE, stop))
    }

    async fn is_closed_after(incoming: &mut Incoming, time: Duration) {
        let since = Instant::now();
        assert_eq!(incoming.read(&mut [0; 8]).await.expect("no error"), 0);
        assert_eq!(since.elapsed().as_secs(), time.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_calls_is_closed_whatever_it_says() {
        let (mut peer, mut incoming) = connected(&CancellationToken::new()).await;
        peer.write_all(b"PRI").await.expect("it is open");
        assert_eq!(incoming.read(&mut [0; 8]).await.expect("bytes"), 3);
        is_closed_after(&mut incoming, MINUTE).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_called_may_stay() {
        let (_peer, mut incoming) = connected(&CancellationToken::new()).await;
        drop(Calls::new(1).begin(Some(&incoming.connect_info())));
        let read = tokio::time::timeout(MINUTE * 1000, incoming.read(&mut [0; 8])).await;
        assert!(read.is_err(), "still open");
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_closes_the_silent_and_waits_for_calls() {
        let stop = CancellationToken::new();
        let (_peer, mut silent) = connected(&stop).await;
        let (_other, mut calling) = connected(&stop).await;
        let call = Calls::new(1).begin(Some(&calling.connect_info())).expect("a place");
        stop.cancel();
        is_closed_after(&mut silent, QUIET_AT_SHUTDOWN).await;
        let read = tokio::time::timeout(MINUTE, calling.read(&mut [0; 8])).await;
        assert!(read.is_err(), "its call runs");
        drop(call);
        is_closed_after(&mut calling, QUIET_AT_SHUTDOWN).await;
    }
}
