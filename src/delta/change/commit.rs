//! The commit of changed rows.

use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::Add;
use serde_json::json;

use super::{
    changed_rows::ChangedRows,
    merge::{Merged, merge},
    vectors::{self, Written},
};
use crate::{
    delta::{
        commit::{ATTEMPTS_MAX, conflict, outrun, put_next},
        commit_info::{self, Operation, now_ms},
        file::FileKey,
        file_actions,
        index::FileIndex,
        snapshot::DeltaSnapshot,
        write::{Staged, is_outcome_unknown},
    },
    engine::{ChangeKind, CommitOutcome, Result},
};

/// How rows leave their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// By deletion vectors.
    Vectors,
    /// Their files are written again without them.
    Rewrite,
}

impl Means {
    /// What the table's properties and the server's settings ask for.
    pub(crate) fn of(base: &DeltaSnapshot) -> Self {
        match base.table().writes_deletion_vectors(base.definition()) {
            true => Self::Vectors,
            false => Self::Rewrite,
        }
    }
}

/// What one statement changes. Its files are durable already.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub(crate) kind: ChangeKind,
    pub(crate) means: Means,
    pub(crate) changed: ChangedRows,
    /// New rows; with [`Means::Rewrite`] also the rows that stay.
    pub(crate) adds: Vec<Add>,
    /// Files of the change data feed, as `Add`s: the commit makes `cdc` actions of them.
    pub(crate) changes: Vec<Add>,
}

/// Commits a change on top of whatever was committed since `base`, unless that touched the same rows.
///
/// Vectors are written before the commits of this process are locked out; again, for as long as the lock is held, only if
/// another commit gave one of the files another vector in the meantime.
pub(crate) async fn commit(base: DeltaSnapshot, set: ChangeSet) -> Result<CommitOutcome> {
    let table = Arc::clone(base.table());
    let newest = DeltaSnapshot::new(table.clone(), table.newest().await?);
    let mut prepared = match prepare(&base, &set, &newest).await? {
        Ok(prepared) => prepared,
        Err(reason) => return Ok(CommitOutcome::Conflict { reason }),
    };
    let _turn = table.lock_commits().await;
    for attempt in 0..ATTEMPTS_MAX {
        let newest = DeltaSnapshot::new(table.clone(), table.newest().await?);
        if conflict(&base, newest.state()).is_some() || !prepared.fits(newest.files().await?) {
            prepared.remove().await;
            prepared = match prepare(&base, &set, &newest).await? {
                Ok(prepared) => prepared,
                Err(reason) => return Ok(CommitOutcome::Conflict { reason }),
            };
        }
        if let Some(changed) = prepared.put(&newest, attempt).await? {
            return Ok(CommitOutcome::Committed(Arc::new(changed)));
        }
    }
    prepared.remove().await;
    Err(outrun(&table))
}

/// A commit that is right on top of every version in which its files are as they were.
struct Prepared {
    files: Vec<FileKey>,
    commit: Bytes,
    vectors: Option<Staged>,
}

/// The commit of a change on top of `newest`, or what stands in the way.
async fn prepare(
    base: &DeltaSnapshot,
    set: &ChangeSet,
    newest: &DeltaSnapshot,
) -> Result<std::result::Result<Prepared, String>> {
    if let Some(reason) = conflict(base, newest.state()) {
        return Ok(Err(reason));
    }
    let mut merged = match merge(base, set, newest).await? {
        Ok(merged) => merged,
        Err(reason) => return Ok(Err(reason)),
    };
    let deleted = merged.iter_mut().filter_map(|file| file.deleted.take()).collect();
    let Written { descriptors, file: vectors } = vectors::write(base, deleted).await?;
    let (mut descriptors, now_ms) = (descriptors.iter(), now_ms());
    let of_files = merged.iter().flat_map(|Merged { file, rows, is_left, .. }| {
        let vector = is_left.then(|| descriptors.next()).flatten();
        let again = vector.map(|vector| file_actions::add_again(file, vector, *rows));
        [Some(file_actions::remove(file, now_ms)), again].into_iter().flatten()
    });
    let adds = set.adds.iter().cloned().map(file_actions::add);
    let changes = set.changes.iter().cloned().map(file_actions::cdc);
    let new = adds.chain(changes).collect::<Result<Vec<_>>>()?;
    let operation = operation(set, &merged);
    let commit = commit_info::change_of_rows(base, &operation, set.adds.is_empty(), of_files.chain(new))?;
    Ok(Ok(Prepared { files: merged.iter().map(|merged| merged.file.key()).collect(), commit, vectors }))
}

impl Prepared {
    fn fits(&self, files: &FileIndex) -> bool {
        self.files.iter().all(|key| files.ordinal(key).is_some())
    }

    /// Makes it the version after `newest`; `None` if another commit has become that. After an error it is done with.
    async fn put(&mut self, newest: &DeltaSnapshot, attempt: u32) -> Result<Option<DeltaSnapshot>> {
        // Whatever becomes of this task, the vectors stay while the commit may stand.
        self.vectors.iter_mut().for_each(Staged::keep);
        let put = put_next(newest.table(), newest.state(), &self.commit, attempt).await;
        match &put {
            Ok(Some(_)) => {
                if let Some(vectors) = self.vectors.take() {
                    vectors.landed().await;
                }
            }
            Err(error) if is_outcome_unknown(error) => {
                tracing::warn!(%error, "deletion vectors were left in place: their commit may have succeeded or not");
            }
            Ok(None) => self.vectors.iter_mut().for_each(Staged::release),
            Err(_) => self.remove().await,
        }
        put
    }

    /// Its vectors belong to no version.
    async fn remove(&mut self) {
        if let Some(vectors) = self.vectors.take() {
            vectors.remove().await;
        }
    }
}

/// Names are Spark's (`DeltaOperations.scala`). It counts a vector that takes the place of another as updated, neither
/// as added nor as removed.
fn operation(set: &ChangeSet, merged: &[Merged]) -> Operation {
    let count = |counted: &dyn Fn(&Merged) -> bool| merged.iter().filter(|file| counted(file)).count().to_string();
    let (name, rows_name) = match set.kind {
        ChangeKind::Delete => ("DELETE", "numDeletedRows"),
        ChangeKind::Update(_) => ("UPDATE", "numUpdatedRows"),
    };
    let rows: u64 = set.changed.files().map(|(_, file)| file.changed.len()).sum();
    let removed_bytes: u64 = merged.iter().filter(|file| !file.is_left).map(|merged| merged.file.size_bytes).sum();
    let mut metrics = json!({
        "numRemovedFiles": count(&|merged| !merged.is_left),
        "numRemovedBytes": removed_bytes.to_string(),
        "numAddedFiles": set.adds.len().to_string(),
        "numAddedBytes": set.adds.iter().map(|add| add.size).sum::<i64>().to_string(),
        "numAddedChangeFiles": set.changes.len().to_string(),
        "numDeletionVectorsAdded": count(&|merged| merged.is_left && merged.file.deletion_vector.is_none()),
        "numDeletionVectorsUpdated": count(&|merged| merged.is_left && merged.file.deletion_vector.is_some()),
        "numDeletionVectorsRemoved": count(&|merged| !merged.is_left && merged.file.deletion_vector.is_some()),
    });
    metrics[rows_name] = json!(rows.to_string());
    Operation { name, parameters: json!({}), metrics }
}
