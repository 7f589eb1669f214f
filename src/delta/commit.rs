//! Commits an append: durable files first, then one put-if-absent of the next version, again and again if others
//! are quicker.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use deltalake_core::kernel::Add;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use uuid::Uuid;

use super::{
    checkpoint::checkpoint_behind,
    commit_info,
    durable::{self, PutOutcome},
    log::CommitFailure,
    snapshot::DeltaSnapshot,
    table::DeltaTable,
    version::Version,
    write::CommitAdds,
};
use crate::engine::{CommitOutcome, Error, Result, Snapshot};

/// How many versions are tried for one commit. A loss means that another process won, so this many in a row are
/// lost only by a table under constant fire; with the waits between them it takes about twenty seconds.
const ATTEMPTS_MAX: u32 = 50;
/// The longest wait after the first lost attempt; it doubles with each further one.
const BACKOFF_FIRST_MS: u64 = 4;
/// No wait is longer, so that a writer does not sleep through a quiet moment.
const BACKOFF_MS_MAX: u64 = 500;
/// Files made durable at a time: fsync waits for the disk, which takes several at once.
const SYNCS_AT_ONCE: usize = 16;

/// Whether a failed commit may have become, or may yet become, a version all the same. Then the files that it
/// refers to must stay where they are.
#[allow(dead_code, reason = "for whoever would clean up after a failed commit")]
pub(crate) fn maybe_committed(error: &Error) -> bool {
    matches!(error, Error::Internal { source, .. } if source.is::<OutcomeUnknown>())
}

/// Marks the errors of which [`maybe_committed`] speaks.
#[derive(Debug, thiserror::Error)]
#[error("whether the commit was made is not known")]
struct OutcomeUnknown(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Commits the files of one append on top of the snapshot that it began from.
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

/// Appends files to a table, whatever else has been committed since `base`, unless its definition changed.
///
/// The work goes on if the caller goes away: nobody may remove the files of a commit that is under way. A
/// conflict, and an error that is not [`maybe_committed`], have changed nothing.
pub(crate) async fn append(base: DeltaSnapshot, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
    let table = base.table().clone();
    tokio::spawn(run(base, adds, rows)).await.unwrap_or_else(|died| Err(unknown(&table, died)))
}

async fn run(base: DeltaSnapshot, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
    let table = base.table();
    make_durable(table, &adds).await?;
    let commit = commit_info::append(&base, adds, rows)?;
    let _turn = table.lock_commits().await;
    for attempt in 0..ATTEMPTS_MAX {
        let newest = table.newest().await?;
        if let Some(reason) = conflict(&base, &newest) {
            return Ok(CommitOutcome::Conflict { reason });
        }
        match table.log().put(newest.number() + 1, commit.clone()).await {
            Ok(PutOutcome::Written) => return committed(table, &newest, commit).await,
            Ok(PutOutcome::NameTaken) => tokio::time::sleep(backoff(attempt)).await,
            Err(failure) => return Err(failed(table, failure)),
        }
    }
    let name = table.store().name();
    Err(Error::ResourceExhausted(format!("other writers of table '{name}' were quicker {ATTEMPTS_MAX} times in a row")))
}

/// Why an append that began at `base` must not go on top of `newest`.
fn conflict(base: &DeltaSnapshot, newest: &Version) -> Option<String> {
    let (was, is) = (base.definition(), newest.definition());
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
async fn committed(table: &Arc<DeltaTable>, base: &Arc<Version>, commit: Bytes) -> Result<CommitOutcome> {
    let identity = table.log().identity(base.number() + 1).await.ok().flatten();
    let version = table.advanced(base, &commit, identity).await.map_err(|error| unknown(table, error))?;
    if version.number() % version.definition().checkpoint_interval() == 0 {
        checkpoint_behind(table.background(), table.store().clone(), version.number());
    }
    Ok(CommitOutcome::Committed(Arc::new(DeltaSnapshot::new(table.clone(), version))))
}

/// Makes the files and the directories they lie in durable, up to the table's root.
async fn make_durable(table: &DeltaTable, adds: &[Add]) -> Result<()> {
    let Some(root) = table.store().local_root() else { return Ok(()) };
    let mut directories = BTreeSet::new();
    let mut files = Vec::with_capacity(adds.len());
    for add in adds {
        let path = Path::parse(&add.path)
            .map_err(|error| Error::internal(format!("'{}' is not the path of a data file", add.path), error))?;
        let file = path.parts().fold(root.to_path_buf(), |directory, part| directory.join(part.as_ref()));
        directories.extend(file.ancestors().skip(1).take_while(|above| above.starts_with(root)).map(PathBuf::from));
        files.push(file);
    }
    sync_all(table, files, durable::sync_file).await?;
    sync_all(table, directories, durable::sync_directory).await
}

async fn sync_all(
    table: &DeltaTable,
    paths: impl IntoIterator<Item = PathBuf>,
    sync: fn(&std::path::Path) -> std::io::Result<()>,
) -> Result<()> {
    let synced = futures::stream::iter(paths).map(|path| async move {
        let done = tokio::task::spawn_blocking(move || sync(&path)).await;
        done.unwrap_or_else(|died| Err(died.into()))
    });
    let failed =
        |error| Error::internal(format!("cannot make the files of table '{}' durable", table.store().name()), error);
    synced.buffer_unordered(SYNCS_AT_ONCE).try_collect::<()>().await.map_err(failed)
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

fn unknown(table: &DeltaTable, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(format!("the commit to table '{}' broke off", table.store().name()), OutcomeUnknown(source.into()))
}

#[cfg(test)]
mod tests;
