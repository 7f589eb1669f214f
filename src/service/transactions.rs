//! Which version of each table a DuckDB transaction sees.
//!
//! The client announces a transaction and never its end (`storage/airport_transaction.cpp`), so what is kept of
//! one is small and bounded: a version per table touched, and the snapshots themselves only of the most recently
//! used. A forgotten transaction is refused, never served another version than it saw before.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use uuid::Uuid;

use crate::engine::{Error, Result, Snapshot, Table};

/// Transactions remembered; the least recently used goes first. About 300 bytes each.
const TRANSACTIONS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// Snapshots held ready; a transaction whose snapshot is gone from here has its version opened again.
const SNAPSHOTS_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");

/// Sessions whose last transaction is remembered.
const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A table by its catalog, schema and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TableName {
    pub(super) catalog: String,
    pub(super) schema: String,
    pub(super) table: String,
}

impl TableName {
    pub(super) fn new(catalog: &str, schema: &str, table: &str) -> Self {
        Self { catalog: catalog.to_owned(), schema: schema.to_owned(), table: table.to_owned() }
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.table)
    }
}

/// The transactions of all clients.
#[derive(Debug)]
pub(super) struct Transactions {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    transactions: LruCache<String, Pins>,
    snapshots: LruCache<(String, TableName), Arc<dyn Snapshot>>,
    /// Which transaction each session began last.
    last_begun: LruCache<String, String>,
}

/// Which version of which table: another table may have taken the name, and have a version of that number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pin {
    version: u64,
    table_id: Arc<str>,
}

impl Pin {
    fn of(snapshot: &dyn Snapshot) -> Self {
        Self { version: snapshot.version(), table_id: snapshot.table_id().into() }
    }
}

/// What a transaction has touched.
#[derive(Debug, Default)]
struct Pins {
    session: Option<String>,
    tables: HashMap<TableName, Pin>,
}

impl Transactions {
    pub(super) fn new() -> Self {
        let state = State {
            transactions: LruCache::new(TRANSACTIONS_MAX),
            snapshots: LruCache::new(SNAPSHOTS_MAX),
            last_begun: LruCache::new(SESSIONS_MAX),
        };
        Self { state: Mutex::new(state) }
    }

    /// Begins a transaction of a client's session: its identifier.
    pub(super) fn begin(&self, session: Option<&str>) -> String {
        let id = Uuid::new_v4().simple().to_string();
        let pins = Pins { session: session.map(str::to_owned), tables: HashMap::new() };
        self.lock(|state| {
            state.transactions.put(id.clone(), pins);
            if let Some(session) = session {
                state.last_begun.put(session.to_owned(), id.clone());
            }
        });
        id
    }

    /// The snapshot of `table` that the transaction sees: pinned at its first touch. Without a transaction, the
    /// newest.
    ///
    /// # Errors
    /// `FailedPrecondition` if the transaction is not known, or the table it pinned is no longer there.
    pub(super) async fn snapshot(
        &self,
        transaction: Option<&str>,
        name: &TableName,
        table: &dyn Table,
    ) -> Result<Arc<dyn Snapshot>> {
        let Some(id) = transaction else { return table.snapshot().await };
        match self.pinned(id, name)? {
            Some(Pinned::Ready(snapshot)) => Ok(snapshot),
            Some(Pinned::At(pin)) => Ok(self.pin_first(id, name, reopened(name, table, &pin).await?)),
            None => Ok(self.pin_first(id, name, table.snapshot().await?)),
        }
    }

    /// The snapshot the transaction has pinned of a table, if it is at hand.
    pub(super) fn ready(&self, transaction: Option<&str>, name: &TableName) -> Option<Arc<dyn Snapshot>> {
        match self.pinned(transaction?, name) {
            Ok(Some(Pinned::Ready(snapshot))) => Some(snapshot),
            _ => None,
        }
    }

    /// From here on the transaction sees `snapshot`: the one its own write made.
    pub(super) fn advance(&self, transaction: Option<&str>, name: &TableName, snapshot: &Arc<dyn Snapshot>) {
        let Some(id) = transaction else { return };
        self.lock(|state| {
            if let Some(pins) = state.transactions.get_mut(id) {
                pins.tables.insert(name.clone(), Pin::of(snapshot.as_ref()));
                state.snapshots.put((id.to_owned(), name.clone()), Arc::clone(snapshot));
            }
        });
    }

    /// The transaction a session began last.
    pub(super) fn last_begun(&self, session: &str) -> Option<String> {
        self.lock(|state| state.last_begun.get(session).cloned())
    }

    /// As [`Self::advance`], if the transaction has seen the table at all; otherwise its first look will do.
    pub(super) fn advance_seen(&self, transaction: Option<&str>, name: &TableName, snapshot: &Arc<dyn Snapshot>) {
        let seen =
            |id: &str| self.lock(|state| state.transactions.peek(id).is_some_and(|p| p.tables.contains_key(name)));
        if transaction.is_some_and(seen) {
            self.advance(transaction, name, snapshot);
        }
    }

    /// `session` has dropped the table or made it anew.
    ///
    /// The call did not name its transaction, but it belongs to one that was announced: the one its session began
    /// last, unless that has several connections. That one sees the change at its next look. Any other keeps its
    /// pin and is refused if the table is not the same any more.
    pub(super) fn release(&self, session: Option<&str>, name: &TableName) {
        self.lock(|state| {
            let own = session.and_then(|session| state.last_begun.get(session)).cloned();
            if let Some(pins) = own.and_then(|id| state.transactions.get_mut(&id)) {
                pins.tables.remove(name);
            }
            state.forget_snapshots(name, |_, _| true);
        });
    }

    /// A session has altered a table, of which this is the state now: its own transactions go on there, others keep
    /// the version they have.
    ///
    /// An ALTER does not say which transaction it belongs to. The catalog that the client's connections share knows
    /// the new columns only, so none of them could use the version before.
    pub(super) fn altered(&self, session: Option<&str>, name: &TableName, snapshot: &dyn Snapshot) {
        let now = Pin::of(snapshot);
        self.lock(|state| {
            for (_, pins) in of_session(state, session) {
                if let Some(pinned) = pins.tables.get_mut(name)
                    && (pinned.version < now.version || pinned.table_id != now.table_id)
                {
                    *pinned = now.clone();
                }
            }
            state.forget_snapshots(name, |id, transactions| {
                transactions.peek(id).is_none_or(|pins| session.is_some() && pins.session.as_deref() == session)
            });
        });
    }

    /// A session has renamed a table: its own transactions go on under the new name, where they were.
    pub(super) fn renamed(&self, session: Option<&str>, from: &TableName, to: &TableName) {
        self.lock(|state| {
            for (_, pins) in of_session(state, session) {
                if let Some(pin) = pins.tables.remove(from) {
                    pins.tables.insert(to.clone(), pin);
                }
            }
            state.forget_snapshots(from, |_, _| true);
        });
    }

    fn pinned(&self, id: &str, name: &TableName) -> Result<Option<Pinned>> {
        self.lock(|state| {
            let pins = state.transactions.get(id).ok_or_else(|| expired(id))?;
            let Some(pin) = pins.tables.get(name).cloned() else { return Ok(None) };
            let ready = state.snapshots.get(&(id.to_owned(), name.clone())).cloned();
            Ok(Some(ready.map_or(Pinned::At(pin), Pinned::Ready)))
        })
    }

    /// Pins `snapshot` unless a call that ran beside this one pinned another first; the one that counts.
    fn pin_first(&self, id: &str, name: &TableName, snapshot: Arc<dyn Snapshot>) -> Arc<dyn Snapshot> {
        self.lock(|state| {
            let key = (id.to_owned(), name.clone());
            if let Some(first) = state.snapshots.get(&key) {
                return Arc::clone(first);
            }
            if let Some(pins) = state.transactions.get_mut(id) {
                pins.tables.insert(name.clone(), Pin::of(snapshot.as_ref()));
            }
            state.snapshots.put(key, Arc::clone(&snapshot));
            snapshot
        })
    }

    fn lock<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        // Every change is one insertion or removal, so a panic elsewhere leaves nothing half done here.
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    /// Forgets the snapshots of a table that transactions hold for which `stale` says so.
    fn forget_snapshots(&mut self, name: &TableName, stale: impl Fn(&str, &LruCache<String, Pins>) -> bool) {
        let Self { transactions, snapshots, .. } = self;
        let is_stale = |(id, table): &(String, TableName)| table == name && stale(id, transactions);
        let keys: Vec<_> = snapshots.iter().map(|(key, _)| key).filter(|key| is_stale(key)).cloned().collect();
        for key in keys {
            snapshots.pop(&key);
        }
    }
}

/// The transactions of one session; without a session none.
fn of_session<'a>(state: &'a mut State, session: Option<&str>) -> impl Iterator<Item = (&'a String, &'a mut Pins)> {
    state.transactions.iter_mut().filter(move |(_, pins)| session.is_some() && pins.session.as_deref() == session)
}

/// What a transaction has pinned of a table.
enum Pinned {
    Ready(Arc<dyn Snapshot>),
    At(Pin),
}

/// The pinned version again.
async fn reopened(name: &TableName, table: &dyn Table, pin: &Pin) -> Result<Arc<dyn Snapshot>> {
    match table.snapshot_at(pin.version).await {
        Ok(snapshot) if snapshot.table_id() == &*pin.table_id => Ok(snapshot),
        Ok(_) | Err(Error::NotFound(_)) => Err(replaced(name)),
        Err(error) => Err(error),
    }
}

/// Another table has taken the name of the one a call is about, or its log was cleaned.
pub(super) fn replaced(name: &TableName) -> Error {
    Error::FailedPrecondition(format!(
        "the version of {name} that this transaction sees is gone: the table was dropped and made again, or its log \
         was cleaned; ROLLBACK and begin again"
    ))
}

fn expired(id: &str) -> Error {
    Error::FailedPrecondition(format!(
        "transaction {id} is not known to this server (it restarted, or too many others came since); \
         ROLLBACK and begin again"
    ))
}

#[cfg(test)]
mod tests;
