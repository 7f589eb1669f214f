//! The commit of changed rows.

use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::kernel::Add;

use super::{
    changed_rows::ChangedRows,
    guard::{Guard, Guarded},
    merge::{Merged, Obstruction, merge},
    operation::{Statement, keeps_row_ids, operation},
    vectors::{self, Written},
};
use crate::{
    delta::{
        commit::{ATTEMPTS_MAX, conflict, outrun, put_next},
        commit_info::{self, now_ms},
        file::FileKey,
        file_actions,
        index::FileIndex,
        snapshot::DeltaSnapshot,
        table::DeltaTable,
        write::{Staged, is_outcome_unknown},
    },
    engine::{CommitOutcome, Result},
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
    pub(crate) statement: Statement,
    pub(crate) means: Means,
    pub(crate) changed: ChangedRows,
    /// New rows; with [`Means::Rewrite`] also the rows that stay.
    pub(crate) adds: Vec<Add>,
    /// Files of the change data feed, as `Add`s: the commit makes `cdc` actions of them.
    pub(crate) changes: Vec<Add>,
    /// Which rows of others stand in the way besides those that are changed; without it none.
    pub(crate) guard: Option<Guard>,
}

/// How the commit of a change ended.
#[derive(Debug)]
pub(crate) enum Landing {
    /// It is durable; the version that has it.
    Landed(DeltaSnapshot),
    /// The table is another one, for good, and nothing was changed: why.
    Redefined(String),
    /// Commits since the base are about the same rows, and nothing was changed.
    Obstructed(Obstruction),
}

/// Commits a change on top of whatever was committed since `base`, unless that touched the same rows.
pub(crate) async fn commit(base: DeltaSnapshot, set: ChangeSet) -> Result<CommitOutcome> {
    Ok(match land(&base, &set).await? {
        Landing::Landed(snapshot) => CommitOutcome::Committed(Arc::new(snapshot)),
        Landing::Redefined(reason) => CommitOutcome::Conflict { reason },
        Landing::Obstructed(obstruction) => {
            let told = obstruction.told(&base, &set).await;
            CommitOutcome::Conflict { reason: format!("{told}; run the statement again") }
        }
    })
}

/// As [`commit`].
///
/// Vectors are written before the commits of this process are locked out; again, for as long as the lock is held, only if
/// another commit gave one of the files another vector in the meantime. Likewise only what came in the meantime is held
/// against the guard again.
pub(crate) async fn land(base: &DeltaSnapshot, set: &ChangeSet) -> Result<Landing> {
    let (table, source) = (Arc::clone(base.table()), base.source().await?);
    let mut guarded = set.guard.as_ref().map(|guard| guard.over(&source));
    let newest = newest(&table).await?;
    if let Some(landing) = in_the_way(base, guarded.as_mut(), &newest).await? {
        return Ok(landing);
    }
    let mut prepared = match prepare(base, set, &newest).await? {
        Ok(prepared) => prepared,
        Err(obstruction) => return Ok(Landing::Obstructed(obstruction)),
    };
    let _turn = table.lock_commits().await;
    for attempt in 0..ATTEMPTS_MAX {
        let newest = self::newest(&table).await?;
        if let Some(landing) = in_the_way(base, guarded.as_mut(), &newest).await? {
            prepared.remove().await;
            return Ok(landing);
        }
        if !prepared.fits(newest.files().await?) {
            prepared.remove().await;
            prepared = match prepare(base, set, &newest).await? {
                Ok(prepared) => prepared,
                Err(obstruction) => return Ok(Landing::Obstructed(obstruction)),
            };
        }
        if let Some(changed) = prepared.put(&newest, attempt).await? {
            return Ok(Landing::Landed(changed));
        }
    }
    prepared.remove().await;
    Err(outrun(&table))
}

async fn newest(table: &Arc<DeltaTable>) -> Result<DeltaSnapshot> {
    Ok(DeltaSnapshot::new(Arc::clone(table), table.newest().await?))
}

/// What stands in the way on top of `newest`, the changed rows aside.
async fn in_the_way(
    base: &DeltaSnapshot,
    guarded: Option<&mut Guarded<'_>>,
    newest: &DeltaSnapshot,
) -> Result<Option<Landing>> {
    if let Some(reason) = conflict(base, newest.state()) {
        return Ok(Some(Landing::Redefined(reason)));
    }
    match guarded {
        Some(guarded) => Ok(guarded.check(newest).await?.map(Landing::Obstructed)),
        None => Ok(None),
    }
}

/// A commit that is right on top of every version in which its files are as they were.
struct Prepared {
    files: Vec<FileKey>,
    commit: Bytes,
    vectors: Option<Staged>,
}

/// The commit of a change on top of `newest`, which has the definition of `base`; or what stands in the way of its rows.
async fn prepare(
    base: &DeltaSnapshot,
    set: &ChangeSet,
    newest: &DeltaSnapshot,
) -> Result<std::result::Result<Prepared, Obstruction>> {
    let mut merged = match merge(base, set, newest).await? {
        Ok(merged) => merged,
        Err(obstruction) => return Ok(Err(obstruction)),
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
    let commit = commit_info::change_of_rows(base, &operation, keeps_row_ids(set), of_files.chain(new))?;
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
