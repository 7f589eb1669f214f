//! Writes: staged first, then committed as one version or not at all.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;

use super::{Result, Snapshot};

/// An append that has not been committed.
///
/// Dropping it, or a failure of any call, leaves the table as it was; what had been staged is removed in the
/// background.
#[async_trait]
pub trait Append: Send + 'static {
    /// Stages rows and answers with them as they will be read: generated columns that came as NULL are filled.
    /// The batch has exactly the columns of the snapshot's schema, in order, by name and type. Waits while the
    /// encoder is behind (bounded memory).
    ///
    /// # Errors
    /// `InvalidArgument` if the columns differ, or a row violates NOT NULL or another constraint (the text names the
    /// column or constraint, and shows a row that violates it).
    async fn write(&mut self, batch: RecordBatch) -> Result<RecordBatch>;

    /// Commits all staged rows in one version, which may also be that of other appends; durable when it returns. An
    /// append without rows commits nothing and answers with the snapshot it began from.
    ///
    /// Other appends, and changes to other rows, never conflict with an append; a change of the table's schema,
    /// partitioning, protocol or identity does.
    async fn commit(self: Box<Self>) -> Result<CommitOutcome>;

    /// Gives up and waits until everything staged has been removed.
    async fn abort(self: Box<Self>);
}

/// What an UPDATE or DELETE does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRequest {
    /// What becomes of the rows.
    pub kind: ChangeKind,
    /// RETURNING: every batch is answered with the rows it changes.
    pub returning: bool,
}

/// What becomes of the rows that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// They are deleted.
    Delete,
    /// These columns get new values; indexes into [`Snapshot::schema`] in the order of SET, without repetition.
    Update(Vec<usize>),
}

/// An UPDATE or DELETE that has not been committed.
///
/// Dropping it, or a failure of any call, leaves the table as it was; what had been staged is removed in the
/// background.
#[async_trait]
pub trait Change: Send + 'static {
    /// Takes rows to change. The batch has the columns that are set, by name and type and in the order of the request
    /// (none for a DELETE), then the row ids. Waits while what is behind it is busy (bounded memory).
    ///
    /// With RETURNING it answers with the same rows in the same order, of all columns of the snapshot's schema: as they
    /// were for a DELETE, as they will be for an UPDATE. Without, with nothing.
    ///
    /// # Errors
    /// `InvalidArgument` if the columns differ, a row id is null, came before, or names no row of the snapshot, or a new
    /// row violates a constraint (as [`Append::write`]); `FailedPrecondition` if a row id is of another version.
    async fn write(&mut self, batch: RecordBatch) -> Result<Option<RecordBatch>>;

    /// Commits the change of all rows as one version; durable when it returns. A change of no rows commits nothing and
    /// answers with the snapshot it began from.
    ///
    /// Commits since the snapshot stand in the way only if they changed or removed one of the same rows, moved one to
    /// another file, or changed the table's schema, partitioning, protocol or identity: then nothing is changed.
    async fn commit(self: Box<Self>) -> Result<CommitOutcome>;

    /// Gives up and waits until everything staged has been removed.
    async fn abort(self: Box<Self>);
}

/// How a commit ended.
#[derive(Debug, Clone)]
pub enum CommitOutcome {
    /// The change is durable; this is the first snapshot that has it.
    Committed(Arc<dyn Snapshot>),
    /// Another commit stands in the way and nothing was changed.
    Conflict {
        /// Which version, and what it changed.
        reason: String,
    },
}
