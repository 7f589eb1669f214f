//! What is remembered of a function's call from when it is planned to when it is run.
//!
//! The client says neither time which transaction the call belongs to (`storage/airport_table_function_set.cpp`), and a
//! session is a whole process with many connections. But it begins a transaction just before it plans a statement, so
//! the one its session began last when it asks for the plan is nearly always the one; by the time the rows have come it
//! often is not.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use arrow::datatypes::SchemaRef;
use lru::LruCache;
use sha2::{Digest, Sha256};

use crate::{protocol::headers::CallContext, service::transactions::Transactions};

/// Calls remembered; those that are planned and never run stay until others push them out. About 300 bytes each.
const CALLS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// The session and the hash of the arguments.
type Key = (String, [u8; 32]);

/// The calls of all clients.
#[derive(Debug)]
pub(in crate::service) struct PlannedCalls(Mutex<LruCache<Key, Planned>>);

/// A call that was planned.
#[derive(Debug, Clone)]
pub(in crate::service) struct Planned {
    /// The transaction it most likely belongs to.
    pub(in crate::service) transaction: Option<String>,
    /// The columns the client was told it gives back.
    pub(in crate::service) returns: SchemaRef,
}

impl PlannedCalls {
    pub(in crate::service) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CALLS_MAX)))
    }

    /// Remembers a call.
    pub(super) fn planned(
        &self,
        context: &CallContext,
        parameters: &[u8],
        transactions: &Transactions,
        returns: &SchemaRef,
    ) {
        let Some(session) = &context.session_id else { return };
        let planned = Planned { transaction: transactions.last_begun(session), returns: returns.clone() };
        self.lock(|calls| calls.put(key(session, parameters), planned));
    }

    /// What is remembered of a call.
    pub(in crate::service) fn of(&self, context: &CallContext, parameters: &[u8]) -> Option<Planned> {
        let session = context.session_id.as_deref()?;
        self.lock(|calls| calls.get(&key(session, parameters)).cloned())
    }

    fn lock<T>(&self, f: impl FnOnce(&mut LruCache<Key, Planned>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key(session: &str, parameters: &[u8]) -> Key {
    (session.to_owned(), Sha256::digest(parameters).into())
}
