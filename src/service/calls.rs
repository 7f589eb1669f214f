//! How many calls run, in all and on each connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::status::Answer;
use crate::engine::Error;

/// The bound on calls of all connections.
#[derive(Debug)]
pub(super) struct Calls {
    places: Arc<Semaphore>,
    calls_max: usize,
}

impl Calls {
    pub(super) fn new(calls_max: usize) -> Self {
        let calls_max = calls_max.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(calls_max)), calls_max }
    }

    /// Begins a call on a connection, if it is known.
    ///
    /// # Errors
    /// `ResourceExhausted` if too many run.
    pub(super) fn begin(&self, connection: Option<&ConnectionCalls>) -> Answer<RunningCall> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(RunningCall { _place: place, connection: connection.map(ConnectionCalls::entered) }),
            Err(_) => Err(Error::ResourceExhausted(format!(
                "{} calls are running, which is the most; try again, or start the server with a larger --calls-max",
                self.calls_max
            ))
            .into()),
        }
    }
}

/// A call that runs until this is dropped.
#[derive(Debug)]
pub(super) struct RunningCall {
    _place: OwnedSemaphorePermit,
    connection: Option<ConnectionCalls>,
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.0.running.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// The calls of one connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCalls(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    running: AtomicUsize,
    begun: AtomicUsize,
}

impl ConnectionCalls {
    fn entered(&self) -> Self {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
        self.0.running.fetch_add(1, Ordering::AcqRel);
        self.clone()
    }

    /// Whether none runs.
    pub(super) fn is_idle(&self) -> bool {
        self.0.running.load(Ordering::Acquire) == 0
    }

    /// Whether there never was one.
    pub(super) fn is_new(&self) -> bool {
        self.0.begun.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_refused_at_the_limit_and_give_their_place_back() {
        let (calls, connection) = (Calls::new(2), ConnectionCalls::default());
        assert!(connection.is_new());
        let first = calls.begin(Some(&connection)).expect("a place");
        let second = calls.begin(None).expect("a place");
        let refused = calls.begin(Some(&connection)).expect_err("none left");
        assert!(format!("{refused:?}").contains("--calls-max"), "{refused:?}");
        assert!(!connection.is_idle() && !connection.is_new());
        drop(first);
        assert!(connection.is_idle() && !connection.is_new());
        drop(calls.begin(Some(&connection)).expect("a place again"));
        drop(second);
    }
}
