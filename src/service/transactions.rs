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

/// Transactions remembered; the least recently used goes first. About 200 bytes each.
const TRANSACTIONS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// Snapshots held ready; a transaction whose snapshot is gone from here has its version opened again.
const SNAPSHOTS_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");

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
    versions: LruCache<String, HashMap<TableName, u64>>,
    snapshots: LruCache<(String, TableName), Arc<dyn Snapshot>>,
}

impl Transactions {
    pub(super) fn new() -> Self {
        let state = State { versions: LruCache::new(TRANSACTIONS_MAX), snapshots: LruCache::new(SNAPSHOTS_MAX) };
        Self { state: Mutex::new(state) }
    }

    /// Begins a transaction: its identifier.
    pub(super) fn begin(&self) -> String {
        let id = Uuid::new_v4().simple().to_string();
        self.lock(|state| state.versions.put(id.clone(), HashMap::new()));
        id
    }

    /// The snapshot of `table` that the transaction sees: pinned at its first touch. Without a transaction, the
    /// newest.
    pub(super) async fn snapshot(
        &self,
        transaction: Option<&str>,
        name: &TableName,
        table: &dyn Table,
    ) -> Result<Arc<dyn Snapshot>> {
        let Some(id) = transaction else { return table.snapshot().await };
        match self.pinned(id, name)? {
            Some(Pin::Ready(snapshot)) => Ok(snapshot),
            Some(Pin::Version(version)) => {
                let snapshot = table.snapshot_at(version).await?;
                Ok(self.pin_first(id, name, snapshot))
            }
            None => Ok(self.pin_first(id, name, table.snapshot().await?)),
        }
    }

    /// From here on the transaction sees `snapshot`: the one its own write made.
    pub(super) fn advance(&self, transaction: Option<&str>, name: &TableName, snapshot: &Arc<dyn Snapshot>) {
        let Some(id) = transaction else { return };
        self.lock(|state| {
            if let Some(versions) = state.versions.get_mut(id) {
                versions.insert(name.clone(), snapshot.version());
                state.snapshots.put((id.to_owned(), name.clone()), Arc::clone(snapshot));
            }
        });
    }

    /// Forgets what a transaction pinned of a table: it was dropped or made anew.
    pub(super) fn release(&self, name: &TableName) {
        self.lock(|state| {
            for (_, versions) in &mut state.versions {
                versions.remove(name);
            }
            let stale: Vec<_> =
                state.snapshots.iter().filter(|(key, _)| key.1 == *name).map(|(k, _)| k.clone()).collect();
            for key in stale {
                state.snapshots.pop(&key);
            }
        });
    }

    fn pinned(&self, id: &str, name: &TableName) -> Result<Option<Pin>> {
        self.lock(|state| {
            let versions = state.versions.get(id).ok_or_else(|| expired(id))?;
            let Some(&version) = versions.get(name) else { return Ok(None) };
            let ready = state.snapshots.get(&(id.to_owned(), name.clone())).cloned();
            Ok(Some(ready.map_or(Pin::Version(version), Pin::Ready)))
        })
    }

    /// Pins `snapshot` unless a call that ran beside this one pinned another first; the one that counts.
    fn pin_first(&self, id: &str, name: &TableName, snapshot: Arc<dyn Snapshot>) -> Arc<dyn Snapshot> {
        self.lock(|state| {
            let key = (id.to_owned(), name.clone());
            if let Some(first) = state.snapshots.get(&key) {
                return Arc::clone(first);
            }
            if let Some(versions) = state.versions.get_mut(id) {
                versions.insert(name.clone(), snapshot.version());
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

enum Pin {
    Ready(Arc<dyn Snapshot>),
    Version(u64),
}

fn expired(id: &str) -> Error {
    Error::FailedPrecondition(format!(
        "transaction {id} is not known to this server (it restarted, or too many others came since); \
         ROLLBACK and begin again"
    ))
}

/// Sessions whose last CREATE TABLE is remembered.
const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Which table a client session has just made.
///
/// CREATE TABLE AS reaches the server as CREATE TABLE and then an insert, in one DuckDB transaction. If that insert
/// fails, the statement must leave no table. The create does not name its transaction, but every new transaction
/// is announced, so a table is fresh from its creation to its session's next transaction.
#[derive(Debug)]
pub(super) struct FreshTables(Mutex<LruCache<String, TableName>>);

impl FreshTables {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(SESSIONS_MAX)))
    }

    /// `session` has just made `table`.
    pub(super) fn made(&self, session: &str, table: TableName) {
        self.lock().put(session.to_owned(), table);
    }

    /// `session` begins another transaction.
    pub(super) fn settled(&self, session: &str) {
        self.lock().pop(session);
    }

    /// Whether `session` made `table` in the transaction it is in; answers so once.
    pub(super) fn take(&self, session: &str, table: &TableName) -> bool {
        let mut tables = self.lock();
        let fresh = tables.peek(session) == Some(table);
        if fresh {
            tables.pop(session);
        }
        fresh
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<String, TableName>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableName {
        TableName::new("lake", "s", name)
    }

    #[test]
    fn a_table_is_fresh_for_its_session_until_the_next_transaction() {
        let fresh = FreshTables::new();
        fresh.made("a", table("t"));
        assert!(!fresh.take("b", &table("t")), "another session's");
        assert!(!fresh.take("a", &table("u")), "another table");
        assert!(fresh.take("a", &table("t")));
        assert!(!fresh.take("a", &table("t")), "once");
        fresh.made("a", table("t"));
        fresh.settled("a");
        assert!(!fresh.take("a", &table("t")), "a later transaction");
    }

    #[test]
    fn a_transaction_nobody_began_is_refused() {
        let transactions = Transactions::new();
        let error = transactions.pinned("nope", &table("t")).err().expect("refused");
        assert!(matches!(error, Error::FailedPrecondition(_)), "{error}");
        let id = transactions.begin();
        assert!(transactions.pinned(&id, &table("t")).expect("known").is_none());
    }
}
