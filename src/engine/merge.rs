//! MERGE: rows of a source against rows of a table, as one version.

use std::{fmt, sync::Arc};

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use async_trait::async_trait;
use futures::stream::BoxStream;

use super::{Result, Snapshot};

/// What a MERGE is asked for.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    /// What clauses may call the target besides `target`: the table's name.
    pub table: String,
    /// What becomes of which rows.
    pub clauses: MergeClauses,
    /// The columns of the source, in the seam's types.
    pub source: SchemaRef,
}

/// What becomes of which rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeClauses {
    /// DuckDB's MERGE INTO from ON or USING (columns) onward.
    Text(String),
    /// Rows whose values in these columns are those of a row of the target take its place, the others are added; columns
    /// go by their names.
    Upsert(Vec<String>),
}

/// A MERGE that has not been committed.
///
/// Dropping it, or a failure of any call, leaves the table as it was; what had been staged or spilled is removed in the
/// background.
#[async_trait]
pub trait Merge: Send + 'static {
    /// Takes rows of the source; they have exactly its columns. Bounded memory: past a limit they go to disk.
    ///
    /// # Errors
    /// `InvalidArgument` if the columns differ; `ResourceExhausted` if they cannot be kept.
    async fn write(&mut self, batch: RecordBatch) -> Result<()>;

    /// Matches the rows, does what the clauses say and commits it as one version; durable when it returns. A merge that
    /// changes nothing commits nothing and answers with the snapshot it read.
    ///
    /// It is as if it had run alone: when other commits since the snapshot changed its rows, or added rows that the
    /// condition could match, it is done again on the newest version, a bounded number of times. Only a change of the
    /// table's schema, partitioning, protocol or identity ends it at once.
    ///
    /// The future may be dropped at any time. Until the commit begins that ends the matching, changes nothing and removes
    /// what was staged, in the background; a commit that has begun comes to its end by itself.
    ///
    /// # Errors
    /// `InvalidArgument` if two rows of the source would change one row of the target (the text shows the key), if a new
    /// row violates a constraint, or if a clause raises an error (the text is its own).
    async fn commit(self: Box<Self>) -> Result<MergeOutcome>;

    /// Gives up and waits until everything staged and spilled has been removed.
    async fn abort(self: Box<Self>);
}

/// How a MERGE ended.
pub enum MergeOutcome {
    /// It is durable.
    Committed(Merged),
    /// Other commits stood in the way, again and again, and nothing was changed.
    Conflict {
        /// Which version, and what it changed.
        reason: String,
    },
}

/// A MERGE that is done.
pub struct Merged {
    /// The first snapshot that has it.
    pub snapshot: Arc<dyn Snapshot>,
    /// How many rows it changed.
    pub counts: MergeCounts,
    /// With RETURNING, the rows it gives back: of the columns that [`Snapshot::merge_returns`] told. Dropping it removes
    /// what is kept of them.
    pub returned: Option<BoxStream<'static, Result<RecordBatch>>>,
}

/// How many rows a MERGE changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MergeCounts {
    /// Rows added.
    pub inserted: u64,
    /// Rows whose values were set.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl fmt::Debug for MergeOutcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed(merged) => {
                formatter.debug_tuple("Committed").field(&merged.snapshot).field(&merged.counts).finish()
            }
            Self::Conflict { reason } => formatter.debug_struct("Conflict").field("reason", reason).finish(),
        }
    }
}
