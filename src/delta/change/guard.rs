//! Rows of others that stand in the way of a statement though it does not change them: those that have come since its
//! base and that it would have done something about.
//!
//! What the log says of files decides, so that a file may stand in the way that has none of these rows. That of a
//! compaction does, too, though it brings only rows that were there: nothing tells reliably that it does. Of the files
//! of two versions only the blocks are looked at that they do not share.

use std::sync::Arc;

use super::merge::{Obstacle, Obstruction};
use crate::{
    delta::{
        actions::CommitChanges,
        file::DataFile,
        index::FileIndex,
        scan::{Candidates, ScanSource, file_rows},
        snapshot::DeltaSnapshot,
    },
    engine::{Predicate, Result, Snapshot},
};

/// Which rows of others stand in the way.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    /// Rows whose coming does.
    pub(crate) could_matter: Predicate,
    /// Whether their going does, too.
    pub(crate) gone_too: bool,
}

/// A guard over the files since a version.
pub(super) struct Guarded<'a> {
    base: &'a ScanSource,
    candidates: Candidates,
    gone_too: bool,
    /// The files of a version in which nothing stands in the way.
    seen: Arc<FileIndex>,
}

impl Guard {
    pub(super) fn over<'a>(&self, base: &'a ScanSource) -> Guarded<'a> {
        let candidates = Candidates::new(&base.schema, &self.could_matter);
        Guarded { base, candidates, gone_too: self.gone_too, seen: Arc::clone(&base.files) }
    }
}

impl Guarded<'_> {
    /// What stands in the way in `newest`. Looks at what is not as it was when it was last asked.
    pub(super) async fn check(&mut self, newest: &DeltaSnapshot) -> Result<Option<Obstruction>> {
        let files = newest.files().await?;
        if Arc::ptr_eq(&self.seen, files) {
            return Ok(None);
        }
        let obstacle = self.between(files).await?;
        self.seen = Arc::clone(files);
        Ok(obstacle.map(|obstacle| Obstruction { file: None, obstacle, newest: newest.version() }))
    }

    async fn between(&self, newest: &FileIndex) -> Result<Option<Obstacle>> {
        if self.gone_too && self.seen.since(newest).any(|file| self.candidates.has(file)) {
            return Ok(Some(Obstacle::Went));
        }
        self.of_added(newest.since(&self.seen)).await
    }

    /// What one commit puts in the way.
    pub(super) async fn of_commit(&self, changes: &CommitChanges) -> Result<Option<Obstacle>> {
        let files = &self.base.files;
        let mut removed = changes.removed.iter().filter_map(|key| files.get(files.ordinal(key)?));
        if self.gone_too && removed.any(|file| self.candidates.has(file)) {
            return Ok(Some(Obstacle::Went));
        }
        self.of_added(changes.added.iter()).await
    }

    async fn of_added(&self, added: impl Iterator<Item = &Arc<DataFile>>) -> Result<Option<Obstacle>> {
        for file in added {
            if let Some(obstacle) = self.of_new(file).await? {
                return Ok(Some(obstacle));
            }
        }
        Ok(None)
    }

    /// A file as it has not been in the base. Under a path that was there, rows have come only if fewer are deleted.
    async fn of_new(&self, file: &Arc<DataFile>) -> Result<Option<Obstacle>> {
        if !self.candidates.has(file) {
            return Ok(None);
        }
        let mut before = self.base.files.at_path(&file.path).map(|(_, before)| before);
        let Some(was) = before.next() else { return Ok(Some(Obstacle::Came)) };
        if before.next().is_some() {
            return Ok(Some(Obstacle::Came));
        }
        Ok(if self.has_rows_back(was, file).await? { Some(Obstacle::CameBack) } else { None })
    }

    async fn has_rows_back(&self, was: &Arc<DataFile>, now: &Arc<DataFile>) -> Result<bool> {
        match (&was.deletion_vector, &now.deletion_vector) {
            (None, _) => Ok(false),
            (Some(_), None) => Ok(true),
            (was, now) if was == now => Ok(false),
            _ => {
                let deleted = file_rows(self.base, now).await?.deleted;
                Ok(!deleted.is_superset(&file_rows(self.base, was).await?.deleted))
            }
        }
    }
}
