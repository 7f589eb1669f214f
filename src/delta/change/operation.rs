//! What the log says of a statement that changed rows. Names are Spark's (`DeltaOperations.scala`), which other tools
//! show as history.

use serde_json::{Value, json};

use super::{
    commit::{ChangeSet, Means},
    merge::Merged,
};
use crate::{
    delta::commit_info::Operation,
    engine::{ChangeKind, MergeCounts},
};

/// The statement that changes rows.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Delete,
    Update,
    Merge(MergeStatement),
}

/// A MERGE.
#[derive(Debug, Clone)]
pub(crate) struct MergeStatement {
    /// As [`Operation::parameters`].
    pub(crate) parameters: Value,
    pub(crate) counts: MergeCounts,
    pub(crate) source_rows: u64,
}

impl From<&ChangeKind> for Statement {
    fn from(kind: &ChangeKind) -> Self {
        match kind {
            ChangeKind::Delete => Self::Delete,
            ChangeKind::Update(_) => Self::Update,
        }
    }
}

/// What the commit of `set` says of it, when its files become `merged`.
pub(super) fn operation(set: &ChangeSet, merged: &[Merged]) -> Operation {
    let files = Files::of(set, merged);
    let changed: u64 = set.changed.files().map(|(_, file)| file.changed.len()).sum();
    let (name, parameters, metrics) = match &set.statement {
        Statement::Delete => ("DELETE", json!({}), files.metrics(("numDeletedRows", changed))),
        Statement::Update => ("UPDATE", json!({}), files.metrics(("numUpdatedRows", changed))),
        Statement::Merge(merge) => ("MERGE", merge.parameters.clone(), files.metrics_of_merge(merge)),
    };
    Operation { name, parameters, metrics }
}

/// Whether every row that stays keeps the place that its id is made of.
pub(super) fn keeps_row_ids(set: &ChangeSet) -> bool {
    match &set.statement {
        Statement::Delete | Statement::Update => set.adds.is_empty(),
        Statement::Merge(merge) => merge.counts.updated == 0 && rows_copied(set) == 0,
    }
}

/// Rows that stay and are written again.
fn rows_copied(set: &ChangeSet) -> u64 {
    match set.means {
        Means::Vectors => 0,
        Means::Rewrite => {
            let stay = |file: &super::changed_rows::ChangedFile| {
                file.rows.saturating_sub(file.deleted.len() + file.changed.len())
            };
            set.changed.files().map(|(_, file)| stay(file)).sum()
        }
    }
}

/// What becomes of files. A vector that takes the place of another counts as updated, neither as added nor as removed.
struct Files {
    removed: usize,
    removed_bytes: u64,
    added: usize,
    added_bytes: i64,
    change_files: usize,
    rows_copied: u64,
    vectors_added: usize,
    vectors_updated: usize,
    vectors_removed: usize,
}

impl Files {
    fn of(set: &ChangeSet, merged: &[Merged]) -> Self {
        let count = |counted: fn(&&Merged) -> bool| merged.iter().filter(counted).count();
        Self {
            removed: count(|merged| !merged.is_left),
            removed_bytes: merged.iter().filter(|file| !file.is_left).map(|merged| merged.file.size_bytes).sum(),
            added: set.adds.len(),
            added_bytes: set.adds.iter().map(|add| add.size).sum(),
            change_files: set.changes.len(),
            rows_copied: rows_copied(set),
            vectors_added: count(|merged| merged.is_left && merged.file.deletion_vector.is_none()),
            vectors_updated: count(|merged| merged.is_left && merged.file.deletion_vector.is_some()),
            vectors_removed: count(|merged| !merged.is_left && merged.file.deletion_vector.is_some()),
        }
    }

    fn metrics(&self, (rows_name, rows): (&str, u64)) -> Value {
        let mut metrics = json!({
            "numRemovedFiles": self.removed.to_string(),
            "numRemovedBytes": self.removed_bytes.to_string(),
            "numAddedFiles": self.added.to_string(),
            "numAddedBytes": self.added_bytes.to_string(),
            "numAddedChangeFiles": self.change_files.to_string(),
            "numDeletionVectorsAdded": self.vectors_added.to_string(),
            "numDeletionVectorsUpdated": self.vectors_updated.to_string(),
            "numDeletionVectorsRemoved": self.vectors_removed.to_string(),
        });
        metrics[rows_name] = json!(rows.to_string());
        metrics
    }

    fn metrics_of_merge(&self, merge: &MergeStatement) -> Value {
        let MergeCounts { inserted, updated, deleted } = merge.counts;
        json!({
            "numSourceRows": merge.source_rows.to_string(),
            "numTargetRowsInserted": inserted.to_string(),
            "numTargetRowsUpdated": updated.to_string(),
            "numTargetRowsDeleted": deleted.to_string(),
            "numTargetRowsCopied": self.rows_copied.to_string(),
            "numOutputRows": (inserted + updated + self.rows_copied).to_string(),
            "numTargetFilesAdded": self.added.to_string(),
            "numTargetFilesRemoved": self.removed.to_string(),
            "numTargetBytesAdded": self.added_bytes.to_string(),
            "numTargetBytesRemoved": self.removed_bytes.to_string(),
            "numTargetChangeFilesAdded": self.change_files.to_string(),
            "numTargetDeletionVectorsAdded": self.vectors_added.to_string(),
            "numTargetDeletionVectorsUpdated": self.vectors_updated.to_string(),
            "numTargetDeletionVectorsRemoved": self.vectors_removed.to_string(),
        })
    }
}
