//! Statements that change the catalog, said again by the client.
//!
//! An action that fails with INTERNAL or UNAVAILABLE, or whose connection breaks, is sent again up to five times within
//! about three seconds (`airport_rpc.cpp`). By then it may have been done, or still be on its way. So the last such
//! action of each client session is remembered until the session's next transaction: its repetition waits for it and
//! gets its answer. Statements of their own begin with a transaction.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use sha2::{Digest, Sha256};
use tokio::sync;

/// Sessions remembered; the least recently used goes first. About 200 bytes each, and an answer of a few KiB.
const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// An action as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ActionDigest([u8; 32]);

impl ActionDigest {
    pub(super) fn of(action: &str, body: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update((action.len() as u64).to_be_bytes());
        hash.update(action);
        hash.update(body);
        Self(hash.finalize().into())
    }
}

/// How an action has ended so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has not been tried, or has changed nothing.
    Undone,
    /// It was begun and may have been done.
    Unknown {
        /// The version of the table it was begun on, as far as it got to look.
        version: Option<u64>,
    },
    /// It was done, and this was answered.
    Done(Option<Vec<u8>>),
}

/// What one try of an action knows of those before, and leaves to those after it.
#[derive(Debug, Default)]
pub(super) struct Try {
    /// Whether this one has got as far as changing anything.
    pub(super) begun: bool,
    /// An earlier one broke off and may have done it.
    pub(super) repeated: bool,
    /// The session has said nothing to this server before: this may repeat what it said before a restart.
    pub(super) unknown_session: bool,
    /// The version of the table that the first try was begun on.
    pub(super) version: Option<u64>,
}

/// An action and how it has ended; whoever tries it holds the lock.
pub(super) type Attempt = Arc<sync::Mutex<Outcome>>;

/// The last action of each session.
#[derive(Debug)]
pub(super) struct Attempts(Mutex<LruCache<String, Option<(ActionDigest, Attempt)>>>);

impl Attempts {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(SESSIONS_MAX)))
    }

    /// The attempt that an action of `session` belongs to: the last one if it is the same action, or a new one.
    pub(super) fn attempt(&self, session: &str, action: ActionDigest) -> Attempt {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some((last, attempt))) = sessions.get(session)
            && *last == action
        {
            return Arc::clone(attempt);
        }
        let attempt = Arc::new(sync::Mutex::new(Outcome::Undone));
        sessions.put(session.to_owned(), Some((action, Arc::clone(&attempt))));
        attempt
    }

    /// `session` begins another transaction: what it says from now on is new.
    pub(super) fn settled(&self, session: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(session.to_owned(), None);
    }

    /// Whether a session has begun a transaction, or anything else, since this server started. What one that has not
    /// says may be the repetition of what it said to the server before.
    pub(super) fn knows(&self, session: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_repetition_is_known_until_the_sessions_next_transaction() {
        let (attempts, one) = (Attempts::new(), ActionDigest::of("rename_table", b"x"));
        assert!(!attempts.knows("a"));
        *attempts.attempt("a", one).lock().await = Outcome::Done(None);
        assert!(attempts.knows("a"));
        assert_eq!(*attempts.attempt("a", one).lock().await, Outcome::Done(None));
        assert_eq!(*attempts.attempt("b", one).lock().await, Outcome::Undone, "another session's");
        attempts.settled("a");
        assert_eq!(*attempts.attempt("a", one).lock().await, Outcome::Undone, "another transaction");
        *attempts.attempt("a", one).lock().await = Outcome::Unknown { version: None };
        attempts.attempt("a", ActionDigest::of("rename_table", b"y"));
        assert_eq!(*attempts.attempt("a", one).lock().await, Outcome::Undone, "another action came between");
    }

    #[test]
    fn actions_are_told_apart() {
        assert_ne!(ActionDigest::of("ab", b"c"), ActionDigest::of("a", b"bc"));
        assert_ne!(ActionDigest::of("a", b"b"), ActionDigest::of("a", b"c"));
    }
}
