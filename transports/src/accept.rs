//! The accept loop: turns a listener into a stream of connections that survives errors, keeps to a limit and stops
//! when told. What is done with a connection, and how running ones are drained, is the caller's.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{AcceptError, Connection, Listener};

/// The first wait after an accept failed for want of descriptors or memory: long against a spinning loop, short
/// against a human.
const BACKOFF_MS_MIN: u64 = 10;

/// The longest wait: peers queue in the backlog meanwhile, so recovery is seen within a second.
const BACKOFF_MS_MAX: u64 = 1000;

/// A bound on open connections, shared by all listeners it is given to.
///
/// At the limit no more is accepted: each listener keeps at most one accepted connection waiting, and the others
/// queue in the kernel's backlog, where they wait and are served late instead of being refused. A connection gives its
/// place back when it is dropped.
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    slots: Arc<Semaphore>,
    connections_max: usize,
}

impl ConnectionLimit {
    /// Half the usual soft limit of 1024 open files: a connection takes one, and the other half is for data files.
    pub const DEFAULT: NonZeroUsize = NonZeroUsize::new(512).expect("a literal above zero");

    /// At most `connections_max` at a time, and no more than a semaphore can count.
    pub fn new(connections_max: NonZeroUsize) -> Self {
        let connections_max = connections_max.get().min(Semaphore::MAX_PERMITS);
        Self { slots: Arc::new(Semaphore::new(connections_max)), connections_max }
    }
}

impl Default for ConnectionLimit {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

/// The connections of `listener`, until `stop` is ready or the listener is closed. The listener is dropped then, so
/// its endpoint refuses new peers while running connections go on.
///
/// A lost peer is skipped at once. Exhaustion (descriptors, memory) is waited out with doubling waits and told once an
/// episode, not once an attempt.
pub fn incoming(
    listener: Box<dyn Listener>,
    limit: ConnectionLimit,
    stop: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = Connection> + Send {
    let stop: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(stop);
    let acceptor = Acceptor { listener, limit, backoff: None, full: false };
    futures::stream::unfold((acceptor, stop), async |(mut acceptor, mut stop)| {
        let connection = tokio::select! {
            biased;
            () = &mut stop => None,
            connection = acceptor.next() => connection,
        };
        connection.map(|connection| (connection, (acceptor, stop)))
    })
}

struct Acceptor {
    listener: Box<dyn Listener>,
    limit: ConnectionLimit,
    /// The next wait in an episode of exhaustion; `None` outside of one.
    backoff: Option<Duration>,
    /// Whether the last connection had to wait for a place.
    full: bool,
}

impl Acceptor {
    async fn next(&mut self) -> Option<Connection> {
        let connection = self.accept().await?;
        let slot = self.slot().await?;
        Some(connection.with_slot(slot))
    }

    /// The next accepted connection; `None` when the listener is closed.
    async fn accept(&mut self) -> Option<Connection> {
        loop {
            match self.listener.accept().await {
                Ok(connection) => {
                    if self.backoff.take().is_some() {
                        tracing::info!(endpoint = %self.listener.endpoint(), "accepting connections again");
                    }
                    return Some(connection);
                }
                Err(AcceptError::PeerLost(error)) => tracing::debug!(%error, "peer lost before it was accepted"),
                Err(AcceptError::Exhausted(error)) => self.wait(&error).await,
                Err(AcceptError::Closed) => return None,
            }
        }
    }

    async fn wait(&mut self, error: &std::io::Error) {
        let wait = self.backoff.unwrap_or_else(|| {
            tracing::warn!(endpoint = %self.listener.endpoint(), %error, "cannot accept connections, trying on");
            Duration::from_millis(BACKOFF_MS_MIN)
        });
        self.backoff = Some((wait * 2).min(Duration::from_millis(BACKOFF_MS_MAX)));
        tokio::time::sleep(wait).await;
    }

    /// A place under the limit, waited for if need be.
    async fn slot(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.limit.slots).try_acquire_owned() {
            self.full = false;
            return Some(slot);
        }
        if !std::mem::replace(&mut self.full, true) {
            let connections_max = self.limit.connections_max;
            tracing::warn!(endpoint = %self.listener.endpoint(), connections_max, "connection limit reached, peers wait");
        }
        // The semaphore is never closed, so this ends with a place.
        Arc::clone(&self.limit.slots).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::task::Poll;

    use async_trait::async_trait;
    use futures::{StreamExt, poll};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;
    use crate::memory::{MemoryConnector, memory};
    use crate::{Connector, Endpoint};

    /// Fails as told, then accepts from memory.
    struct Failing {
        errors: VecDeque<AcceptError>,
        then: crate::memory::MemoryListener,
    }

    #[async_trait]
    impl Listener for Failing {
        fn endpoint(&self) -> &Endpoint {
            self.then.endpoint()
        }

        async fn accept(&mut self) -> Result<Connection, AcceptError> {
            match self.errors.pop_front() {
                Some(error) => Err(error),
                None => self.then.accept().await,
            }
        }
    }

    fn failing(errors: impl IntoIterator<Item = AcceptError>) -> (Box<Failing>, MemoryConnector) {
        let (then, connector) = memory("failing");
        (Box::new(Failing { errors: errors.into_iter().collect(), then }), connector)
    }

    fn limit(connections_max: usize) -> ConnectionLimit {
        ConnectionLimit::new(NonZeroUsize::new(connections_max).unwrap())
    }

    fn lost() -> AcceptError {
        AcceptError::PeerLost(io::ErrorKind::ConnectionReset.into())
    }

    fn exhausted() -> AcceptError {
        AcceptError::Exhausted(io::Error::other("too many open files"))
    }

    #[tokio::test(start_paused = true)]
    async fn lost_peers_are_skipped_without_a_wait() {
        let (listener, connector) = failing((0..100).map(|_| lost()));
        let _dialled = connector.dial().await.unwrap();
        let begin = Instant::now();
        let mut connections = Box::pin(incoming(listener, limit(1), std::future::pending()));
        assert!(connections.next().await.is_some());
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn exhaustion_is_waited_out_with_doubling_bounded_waits() {
        let (listener, connector) = failing((0..10).map(|_| exhausted()));
        let _dialled = connector.dial().await.unwrap();
        let begin = Instant::now();
        let mut connections = Box::pin(incoming(listener, limit(1), std::future::pending()));
        assert!(connections.next().await.is_some());
        // 10 + 20 + ... + 640, then the longest three times.
        assert_eq!(begin.elapsed().as_millis(), 1270 + 3 * 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn each_episode_begins_with_the_shortest_wait() {
        let (mut listener, connector) = failing([exhausted(), exhausted()]);
        let _dialled = [connector.dial().await.unwrap(), connector.dial().await.unwrap()];
        listener.errors.push_back(lost());
        let mut acceptor = Acceptor { listener, limit: limit(2), backoff: None, full: false };
        let first = acceptor.next().await;
        assert!(first.is_some() && acceptor.backoff.is_none());
        let begin = Instant::now();
        acceptor.wait(&io::Error::other("again")).await;
        assert_eq!(begin.elapsed().as_millis(), u128::from(BACKOFF_MS_MIN));
    }

    #[tokio::test(start_paused = true)]
    async fn stop_ends_the_stream_even_in_a_wait_and_closes_the_listener() {
        let (listener, connector) = failing((0..100).map(|_| exhausted()));
        let (stop, stopped) = oneshot::channel::<()>();
        let mut connections = Box::pin(incoming(listener, limit(1), async move {
            let _ = stopped.await;
        }));
        assert!(poll!(connections.next()).is_pending());
        stop.send(()).unwrap();
        assert!(connections.next().await.is_none());
        assert!(connector.dial().await.is_err(), "the listener is gone although the stream is still held");
    }

    #[tokio::test]
    async fn a_closed_listener_ends_the_stream() {
        let (listener, connector) = memory("closed");
        drop(connector);
        let mut connections = Box::pin(incoming(Box::new(listener), limit(1), std::future::pending()));
        assert!(connections.next().await.is_none());
    }

    #[tokio::test]
    async fn a_full_limit_holds_connections_back_until_one_is_dropped() {
        let (listener, connector) = memory("full");
        let mut connections = Box::pin(incoming(Box::new(listener), limit(2), std::future::pending()));
        let mut dialled = Vec::new();
        for _ in 0..4 {
            dialled.push(connector.dial().await.unwrap());
        }
        let first = connections.next().await.unwrap();
        let second = connections.next().await.unwrap().map_stream(|stream| stream);
        assert!(poll!(connections.next()).is_pending());
        drop(first);
        let Poll::Ready(Some(third)) = poll!(connections.next()) else { panic!("a place was free") };
        assert!(poll!(connections.next()).is_pending());
        drop(second);
        assert!(connections.next().await.is_some(), "wrapping the stream kept the place with the connection");
        drop(third);
    }

    #[tokio::test]
    async fn listeners_share_a_limit() {
        let (one, dial_one) = memory("one");
        let (two, dial_two) = memory("two");
        let shared = limit(1);
        let mut one = Box::pin(incoming(Box::new(one), shared.clone(), std::future::pending()));
        let mut two = Box::pin(incoming(Box::new(two), shared, std::future::pending()));
        assert!(poll!(one.next()).is_pending(), "an idle listener holds no place");
        let _dialled = [dial_one.dial().await.unwrap(), dial_two.dial().await.unwrap()];
        let held = two.next().await.unwrap();
        assert!(poll!(one.next()).is_pending());
        drop(held);
        assert!(one.next().await.is_some());
    }
}
