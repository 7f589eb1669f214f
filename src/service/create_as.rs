//! What CREATE TABLE AS needs to be told from its two halves, a CREATE TABLE and an insert: two faults of the client.
//!
//! Its catalog takes ENUM as VARCHAR. CREATE TABLE AS then reads the source's ENUM codes as if they were VARCHAR, which
//! DuckDB notices as an internal error that puts the client's whole database out of use. So that insert is refused
//! before its first row.
//!
//! Its catalog lists the table even if the insert failed. A second CREATE TABLE AS is then planned as a CREATE TABLE
//! that is expected to fail, sends no rows, and would leave an empty table and no error. So it is refused.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;

use super::transactions::TableName;
use crate::engine::Error;

/// Sessions remembered; the least recently used goes first.
const SESSIONS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Failed tables remembered of one session; the oldest goes first.
const FAILED_MAX: usize = 100;

/// The statements of all clients.
#[derive(Debug)]
pub(super) struct CreateAs(Mutex<LruCache<String, Session>>);

#[derive(Debug, Default)]
struct Session {
    /// The table the running statement has made, and its first ENUM column.
    with_enum: Option<(TableName, String)>,
    /// Tables whose insert failed and that the client lists all the same.
    failed: Vec<TableName>,
}

impl CreateAs {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(SESSIONS_MAX)))
    }

    /// `session` has made a table with an ENUM column.
    pub(super) fn made(&self, session: Option<&str>, table: &TableName, enum_column: &str) {
        self.of(session, |session| session.with_enum = Some((table.clone(), enum_column.to_owned())));
    }

    /// `session` begins another statement, which it does by asking for the catalog's version.
    pub(super) fn next_statement(&self, session: Option<&str>) {
        self.of_known(session, |session| session.with_enum = None);
    }

    /// `session` is about to insert into `table`.
    ///
    /// # Errors
    /// `Unsupported` if the statement that does has made the table with an ENUM column.
    pub(super) fn admit_insert(&self, session: Option<&str>, table: &TableName) -> Result<(), Error> {
        let with_enum = self.of_known(session, |session| session.with_enum.take()).flatten();
        match with_enum.filter(|(made, _)| made == table) {
            None => Ok(()),
            Some((_, column)) => Err(Error::Unsupported(format!(
                "CREATE TABLE AS cannot send column {column:?}, which holds an ENUM; cast it to VARCHAR in the query"
            ))),
        }
    }

    /// The insert into a table that `session` had just made has failed, and the table goes.
    pub(super) fn failed(&self, session: Option<&str>, table: &TableName) {
        self.of(session, |session| {
            session.failed.retain(|failed| failed != table);
            session.failed.push(table.clone());
            if session.failed.len() > FAILED_MAX {
                session.failed.remove(0);
            }
        });
    }

    /// `session` is about to make `table`.
    ///
    /// # Errors
    /// `FailedPrecondition` if its client lists a table of that name which is not there.
    pub(super) fn admit_create(&self, session: Option<&str>, table: &TableName) -> Result<(), Error> {
        match self.of_known(session, |session| session.failed.contains(table)) {
            Some(true) => Err(Error::FailedPrecondition(format!(
                "an earlier CREATE TABLE AS failed and left {table} in this client's list of tables, so its rows would \
                 not be sent; DROP TABLE IF EXISTS {table} first"
            ))),
            _ => Ok(()),
        }
    }

    /// `session` drops `table`: whether its client lists it only because an insert failed.
    pub(super) fn dropped(&self, session: Option<&str>, table: &TableName) -> bool {
        let forget = |session: &mut Session| {
            let listed = session.failed.len();
            session.failed.retain(|failed| failed != table);
            session.failed.len() < listed
        };
        self.of_known(session, forget).unwrap_or(false)
    }

    /// `session` reads the list of tables of a catalog anew.
    pub(super) fn listed(&self, session: Option<&str>, catalog: &str) {
        self.of_known(session, |session| session.failed.retain(|failed| failed.catalog != catalog));
    }

    fn of<T>(&self, session: Option<&str>, f: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(f(sessions.get_or_insert_mut(session?.to_owned(), Session::default)))
    }

    fn of_known<T>(&self, session: Option<&str>, f: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get_mut(session?).map(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<&str> = Some("a");
    const B: Option<&str> = Some("b");

    fn table(name: &str) -> TableName {
        TableName::new("lake", "s", name)
    }

    #[test]
    fn an_insert_of_the_statement_that_made_an_enum_is_refused() {
        let statements = CreateAs::new();
        statements.made(A, &table("t"), "mood");
        statements.next_statement(B);
        statements.admit_insert(B, &table("t")).expect("another session");
        let refused = statements.admit_insert(A, &table("t")).expect_err("refused").to_string();
        assert!(
            refused.contains("\"mood\"") && refused.contains(", which holds an ENUM; cast it to VARCHAR in the query")
        );
        statements.made(A, &table("t"), "mood");
        statements.next_statement(A);
        statements.admit_insert(A, &table("t")).expect("another statement");
        statements.made(A, &table("t"), "mood");
        statements.admit_insert(A, &table("u")).expect("another table");
        statements.made(None, &table("t"), "mood");
        statements.admit_insert(None, &table("t")).expect("nobody knows whose");
    }

    #[test]
    fn a_table_that_failed_is_not_made_again_before_it_is_dropped() {
        let statements = CreateAs::new();
        statements.failed(A, &table("t"));
        statements.admit_create(B, &table("t")).expect("another session");
        statements.admit_create(A, &table("u")).expect("another table");
        let refused = statements.admit_create(A, &table("t")).expect_err("refused").to_string();
        assert!(refused.contains("DROP TABLE IF EXISTS lake.s.t"), "{refused}");
        assert!(statements.dropped(A, &table("t")));
        assert!(!statements.dropped(A, &table("t")), "once");
        statements.admit_create(A, &table("t")).expect("dropped");
        statements.failed(A, &table("t"));
        statements.listed(A, "other");
        assert!(statements.admit_create(A, &table("t")).is_err());
        statements.listed(A, "lake");
        statements.admit_create(A, &table("t")).expect("listed anew");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let statements = CreateAs::new();
        (0..=FAILED_MAX).for_each(|i| statements.failed(A, &table(&i.to_string())));
        statements.admit_create(A, &table("0")).expect("forgotten");
        assert!(statements.admit_create(A, &table("1")).is_err());
    }
}
