//! Which table a client session has just made.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;

use super::transactions::TableName;

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
}
