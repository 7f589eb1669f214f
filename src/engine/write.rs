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

    /// Commits all staged rows as one version; durable when it returns. An append without rows commits nothing
    /// and answers with the snapshot it began from.
    ///
    /// Other appends, and changes to other rows, never conflict with an append; a change of the table's schema,
    /// partitioning, protocol or identity does.
    async fn commit(self: Box<Self>) -> Result<CommitOutcome>;

    /// Gives up and waits until everything staged has been removed.
    async fn abort(self: Box<Self>);
}

/// How a commit ended.
#[derive(Debug)]
pub enum CommitOutcome {
    /// The change is durable; this is the first snapshot that has it.
    Committed(Arc<dyn Snapshot>),
    /// Another commit stands in the way and nothing was changed.
    Conflict {
        /// Which version, and what it changed.
        reason: String,
    },
}
