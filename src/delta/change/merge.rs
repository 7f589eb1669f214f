//! Changed rows on top of a version that is not the one they were read from: what becomes of each file, or which commit
//! stands in the way.
//!
//! A row has been changed by somebody else if the vector that its file has now deletes it, or if its file is gone. What
//! counts is what winning commits did, whoever made them: paths and vectors, not what they say of themselves.

use std::{fmt, sync::Arc};

use roaring::RoaringTreemap;

use super::{
    changed_rows::ChangedFile,
    commit::{ChangeSet, Means},
};
use crate::{
    delta::{
        actions::{CommitChanges, operation, parse_commit},
        file::DataFile,
        index::FileIndex,
        scan::{ScanSource, file_rows},
        snapshot::DeltaSnapshot,
    },
    engine::{Result, Snapshot},
};

/// How many commits since the base are looked through for the one that stands in the way, which only the message needs.
const BLAMED_COMMITS_MAX: u64 = 100;

/// A file with changed rows, as it is in the version that the commit goes on top of.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) file: Arc<DataFile>,
    /// How many rows it has, deleted ones counted.
    pub(super) rows: u64,
    /// Whether rows of it stay; if not the file is removed.
    pub(super) is_left: bool,
    /// All its deleted rows, if rows of it stay.
    pub(super) deleted: Option<RoaringTreemap>,
}

/// Puts the rows of `set`, read from `base`, on top of `newest`; or says what stands in the way.
pub(super) async fn merge(
    base: &DeltaSnapshot,
    set: &ChangeSet,
    newest: &DeltaSnapshot,
) -> Result<std::result::Result<Vec<Merged>, Obstruction>> {
    let (source, index) = (base.source().await?, newest.files().await?);
    let mut merged = Vec::new();
    for (ordinal, changed) in set.changed.files() {
        let task = Task::of(&source, set, ordinal, changed);
        match task.on(task.found(index)).await? {
            Ok(file) => merged.push(file),
            Err(obstacle) => {
                return Ok(Err(Obstruction { file: Some(ordinal), obstacle, newest: newest.version() }));
            }
        }
    }
    Ok(Ok(merged))
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// A row has been changed or deleted.
    Changed,
    /// The file is gone.
    Gone,
    /// Rows that were deleted are not any more.
    Restored,
    /// Other rows have been deleted, and the file was to be written again.
    Touched,
    /// Rows have been added that a guard is about.
    Came,
    /// Such rows were deleted and are not any more.
    CameBack,
    /// Such rows have been deleted.
    Went,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Changed => "changed a row that this statement changes, too",
            Self::Gone => "rewrote or removed a file with rows that this statement changes",
            Self::Restored => "brought back deleted rows of a file with rows that this statement changes",
            Self::Touched => "changed other rows of a file that this statement rewrites",
            Self::Came => "added rows that this statement may be about",
            Self::CameBack => "brought back deleted rows that this statement may be about",
            Self::Went => "took away rows that this statement may be about",
        })
    }
}

/// What stands in the way of a statement, in some version since its base.
#[derive(Debug)]
pub(crate) struct Obstruction {
    /// The file that was to be changed; `None` if it is the guard that minds.
    pub(super) file: Option<u32>,
    pub(super) obstacle: Obstacle,
    /// A version in which it stands there.
    pub(super) newest: u64,
}

impl Obstruction {
    /// Which version it came with, and what that did. Looks through commits for it.
    pub(crate) async fn told(&self, base: &DeltaSnapshot, set: &ChangeSet) -> String {
        let (table, version) = (base.table().store().name(), base.version());
        match self.blame(base, set).await {
            Some(Blamed { version, operation: Some(operation), obstacle }) => {
                format!("version {version} of table '{table}' ({operation}) {obstacle}")
            }
            Some(Blamed { version, operation: None, obstacle }) => {
                format!("version {version} of table '{table}' {obstacle}")
            }
            None => format!("a version of table '{table}' after version {version} {}", self.obstacle),
        }
    }

    /// The first commit after `base` that stands in the way; `None` if it cannot be told.
    async fn blame(&self, base: &DeltaSnapshot, set: &ChangeSet) -> Option<Blamed> {
        let (store, log) = (base.table().store(), base.table().log());
        let source = base.source().await.ok()?;
        let first = base.version() + 1;
        for version in (first..=self.newest).take(BLAMED_COMMITS_MAX as usize) {
            let commit = log.read(version).await.ok()??;
            let changes = parse_commit(store.location(), &commit.bytes).ok()?;
            let obstacle = match self.file {
                Some(ordinal) => {
                    let (_, changed) = set.changed.files().find(|(file, _)| *file == ordinal)?;
                    Task::of(&source, set, ordinal, changed).of_commit(&changes).await.ok()?
                }
                None => set.guard.as_ref()?.over(&source).of_commit(&changes).await.ok()?,
            };
            if let Some(obstacle) = obstacle {
                return Some(Blamed { version, operation: operation(&commit.bytes), obstacle });
            }
        }
        None
    }
}

/// One file whose rows are changed.
struct Task<'a> {
    /// The version they were read from.
    source: &'a ScanSource,
    file: &'a Arc<DataFile>,
    changed: &'a ChangedFile,
    means: Means,
}

/// A commit that stands in the way.
struct Blamed {
    version: u64,
    operation: Option<String>,
    obstacle: Obstacle,
}

impl<'a> Task<'a> {
    fn of(source: &'a ScanSource, set: &ChangeSet, ordinal: u32, changed: &'a ChangedFile) -> Self {
        Self { source, file: &source.files[ordinal as usize], changed, means: set.means }
    }

    /// The file in another version. Of several with its path, as only other writers have them, it is none but the same.
    fn found<'i>(&self, index: &'i FileIndex) -> Option<&'i Arc<DataFile>> {
        let (mut first, mut others) = (None, false);
        for (_, file) in index.at_path(&self.file.path) {
            if file.deletion_vector == self.file.deletion_vector {
                return Some(file);
            }
            others |= first.replace(file).is_some();
        }
        first.filter(|_| !others)
    }

    /// The file after the change, when it is `now` before it.
    async fn on(&self, now: Option<&Arc<DataFile>>) -> Result<std::result::Result<Merged, Obstacle>> {
        let Some(now) = now else { return Ok(Err(Obstacle::Gone)) };
        if now.deletion_vector == self.file.deletion_vector {
            return Ok(Ok(self.after(now, &self.changed.deleted)));
        }
        let deleted = file_rows(self.source, now).await?.deleted;
        Ok(if !deleted.is_disjoint(&self.changed.changed) {
            Err(Obstacle::Changed)
        } else if !deleted.is_superset(&self.changed.deleted) {
            Err(Obstacle::Restored)
        } else if self.means == Means::Rewrite {
            Err(Obstacle::Touched)
        } else {
            Ok(self.after(now, &deleted))
        })
    }

    fn after(&self, now: &Arc<DataFile>, deleted: &RoaringTreemap) -> Merged {
        let rows = self.changed.rows;
        let is_left = self.means == Means::Vectors && deleted.len() + self.changed.changed.len() < rows;
        let deleted = is_left.then(|| deleted | &self.changed.changed);
        Merged { file: Arc::clone(now), rows, is_left, deleted }
    }

    /// What one commit puts in the way.
    async fn of_commit(&self, changes: &CommitChanges) -> Result<Option<Obstacle>> {
        let added = changes.added.iter().find(|added| added.path == self.file.path);
        if added.is_none() && changes.removed.iter().all(|removed| *removed.path() != self.file.path) {
            return Ok(None);
        }
        Ok(self.on(added).await?.err())
    }
}
