//! Commits: one put-if-absent of the next version, again and again if others are quicker.
//!
//! Appends are committed here; other changes make their commits elsewhere and put them by [`put_next`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use deltalake_core::kernel::Add;
use uuid::Uuid;

use super::{
    checkpoint::checkpoint_behind,
    commit_info,
    durable::PutOutcome,
    log::CommitFailure,
    snapshot::DeltaSnapshot,
    stamp::stamped,
    table::DeltaTable,
    version::Version,
    write::{CommitAdds, OutcomeUnknown},
};
use crate::engine::{CommitOutcome, Error, Result, Snapshot};

/// How many versions are tried for one commit. A loss means that another process won, so this many in a row are
/// lost only by a table under constant fire; with the waits between them it takes about twenty seconds.
pub(crate) const ATTEMPTS_MAX: u32 = 50;
/// The longest wait after the first lost attempt; it doubles with each further one.
const BACKOFF_FIRST_MS: u64 = 4;
/// No wait is longer, so that a writer does not sleep through a quiet moment.
const BACKOFF_MS_MAX: u64 = 500;

/// Commits the files of one append, as a version of their own, on top of the snapshot that it began from.
#[derive(Debug)]
pub(crate) struct AppendCommit {
    base: DeltaSnapshot,
}

impl AppendCommit {
    pub(crate) fn new(base: DeltaSnapshot) -> Self {
        Self { base }
    }
}

#[async_trait]
impl CommitAdds for AppendCommit {
    async fn commit(self: Box<Self>, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
        append(self.base, adds, rows).await
    }
}

/// Appends files, which are durable, to a table, whatever else has been committed since `base`, unless its
/// definition changed.
///
/// The work goes on if the caller goes away: nobody may remove the files of a commit that is under way. A
/// conflict, and an error whose source is not [`OutcomeUnknown`], have changed nothing.
pub(crate) async fn append(base: DeltaSnapshot, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
    let table = base.table().clone();
    tokio::spawn(run(base, adds, rows)).await.unwrap_or_else(|died| Err(unknown(&table, died)))
}

async fn run(base: DeltaSnapshot, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
    let table = base.table();
    let commit = commit_info::append(&base, adds, rows)?;
    let _turn = table.lock_commits().await;
    for attempt in 0..ATTEMPTS_MAX {
        let newest = table.newest().await?;
        if let Some(reason) = conflict(&base, &newest) {
            return Ok(CommitOutcome::Conflict { reason });
        }
        if let Some(snapshot) = put_next(table, &newest, &commit, attempt).await? {
            return Ok(CommitOutcome::Committed(Arc::new(snapshot)));
        }
    }
    Err(outrun(table))
}

/// Makes `commit`, stamped for its place, the version after `base`, durably; `None` if another has become it, after a wait that grows with
/// `attempt`.
///
/// # Errors
/// With [`OutcomeUnknown`] as their source when the commit may stand; otherwise nothing was changed.
pub(crate) async fn put_next(
    table: &Arc<DeltaTable>,
    base: &Arc<Version>,
    commit: &Bytes,
    attempt: u32,
) -> Result<Option<DeltaSnapshot>> {
    let commit = stamped(table, base, commit).await?;
    match table.log().put(base.number() + 1, commit.clone()).await {
        Ok(PutOutcome::Written) => committed(table, base, commit).await.map(Some),
        Ok(PutOutcome::NameTaken) => {
            tokio::time::sleep(backoff(attempt)).await;
            Ok(None)
        }
        Err(failure) => Err(failed(table, failure)),
    }
}

/// [`ATTEMPTS_MAX`] attempts were lost.
pub(crate) fn outrun(table: &DeltaTable) -> Error {
    let name = table.store().name();
    Error::ResourceExhausted(format!("other writers of table '{name}' were quicker {ATTEMPTS_MAX} times in a row"))
}

/// Why what began at `base` must not go on top of `newest`: the definition is another.
pub(crate) fn conflict(base: &DeltaSnapshot, newest: &Version) -> Option<String> {
    let (was, is) = (base.definition(), newest.definition());
    if Arc::ptr_eq(was, is) && newest.number() >= base.version() {
        return None; // as nearly always, and schemas are long
    }
    let what = if was.metadata().id() != is.metadata().id() || newest.number() < base.version() {
        "was dropped and made again"
    } else if was.protocol() != is.protocol() {
        "changed its protocol"
    } else if was.metadata() != is.metadata() {
        "changed its schema or properties"
    } else {
        return None;
    };
    let name = base.table().store().name();
    Some(format!("table '{name}' {what} after version {} (now at {})", base.version(), newest.number()))
}

/// The commit is made and durable; from here on nothing may say that it is not.
async fn committed(table: &Arc<DeltaTable>, base: &Arc<Version>, commit: Bytes) -> Result<DeltaSnapshot> {
    let identity = table.log().identity(base.number() + 1).await.ok().flatten();
    let version = table.advanced(base, &commit, identity).await.map_err(|error| unknown(table, error))?;
    if version.number() % version.definition().checkpoint_interval(version.files_known()) == 0 {
        checkpoint_behind(table.background(), table.store().clone(), version.number());
        table.clean_up();
    }
    Ok(DeltaSnapshot::new(table.clone(), version))
}

/// A random time, so that those who lost together do not meet again.
fn backoff(attempt: u32) -> Duration {
    let longest_ms = BACKOFF_FIRST_MS.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MS_MAX);
    let (random, _) = Uuid::new_v4().as_u64_pair();
    Duration::from_millis(1 + random % longest_ms)
}

fn failed(table: &DeltaTable, failure: CommitFailure) -> Error {
    match failure.maybe_visible {
        true => unknown(table, failure),
        false => Error::internal(format!("cannot commit to table '{}'", table.store().name()), failure),
    }
}

/// Whether a commit stands is not known.
pub(crate) fn unknown(table: &DeltaTable, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(format!("the commit to table '{}' broke off", table.store().name()), OutcomeUnknown(source.into()))
}

#[cfg(test)]
pub(crate) mod faults;
#[cfg(test)]
mod tests;
