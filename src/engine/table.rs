//! Tables, their snapshots, and the format that opens and makes them.

use std::{fmt::Debug, num::NonZeroUsize, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use url::Url;

use super::{
    Alteration, Append, Change, ChangeRequest, ColumnStatistics, Merge, MergeRequest, ReadPart, ReadPlan, ReadStream,
    Result, ScanRequest,
};

/// A table format: opens and makes tables at locations.
#[async_trait]
pub trait TableFormat: Debug + Send + Sync + 'static {
    /// The table at `location` (a directory URL that ends with a slash). Cheap: a handle, no I/O.
    ///
    /// Handles of one location share what they have cached.
    fn table(&self, location: &Url) -> Result<Arc<dyn Table>>;

    /// Whether a table stands at `location`, a local directory: one look-up that reads nothing of it.
    fn exists(&self, location: &Url) -> bool;

    /// Makes an empty table at `location`, durably, as its version 0.
    ///
    /// # Errors
    /// `AlreadyExists` if a table stands there, and then nothing is changed; `Unsupported` if a column's type
    /// cannot be kept exactly, by the names of column and type.
    async fn create(&self, location: &Url, spec: &TableSpec) -> Result<Arc<dyn Snapshot>>;

    /// Forgets what is cached of the table at `location`: it was removed.
    fn forget(&self, location: &Url);
}

/// What a new table looks like.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Columns as the client sent them; a non-nullable field is NOT NULL.
    pub schema: SchemaRef,
    /// Names of the partition columns, in order.
    pub partition_columns: Vec<String>,
    /// A comment on the table.
    pub description: Option<String>,
    /// CHECK constraints, as SQL in DuckDB's spelling.
    pub checks: Vec<String>,
}

/// One table.
#[async_trait]
pub trait Table: Debug + Send + Sync + 'static {
    /// The newest committed state. When nothing was committed since the last call it costs one or two look-ups.
    ///
    /// # Errors
    /// `NotFound` if no table is there (any more); `Unsupported` if the table needs a feature that is not
    /// offered, by its name; `Internal` if its log cannot be read.
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>>;

    /// The state of a given version. May answer from what earlier looks found: only [`Table::snapshot`] notices a
    /// table that was dropped and made again.
    ///
    /// # Errors
    /// As [`Table::snapshot`]; `NotFound` if the version does not exist (any more); the text names those that do.
    async fn snapshot_at(&self, version: u64) -> Result<Arc<dyn Snapshot>>;

    /// The newest state at a time, in microseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// As [`Table::snapshot`]; `NotFound` if the table has no version of that time (any more), or if the time is still to
    /// come; the text names the nearest valid time.
    async fn snapshot_as_of(&self, time_us: i64) -> Result<Arc<dyn Snapshot>>;

    /// Changes the newest definition, durably, as one version; the snapshot that has it. Nothing to do is no version.
    ///
    /// # Errors
    /// `NotFound` if the table or a named column is not there; `AlreadyExists` if a name is taken; `InvalidArgument`
    /// if the change can never be made, or a row stands against it (the text shows the row); `Unsupported` if the
    /// table's format cannot have it, by name; `Conflict` if other writers got in the way.
    async fn alter(&self, change: &Alteration) -> Result<Arc<dyn Snapshot>>;
}

/// What is noted of a column besides its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNotes {
    /// A comment.
    pub comment: Option<String>,
    /// Its default, as SQL that DuckDB understands.
    pub default: Option<String>,
}

/// One version of a table; never changes.
#[async_trait]
pub trait Snapshot: Debug + Send + Sync + 'static {
    /// The version.
    fn version(&self) -> u64;

    /// Tells the table from another that took its name: a table that is dropped and made again has another one. It
    /// may differ between versions of a table, never between two looks at one version.
    fn table_id(&self) -> &str;

    /// The columns, without the row id, as scans deliver them and appends take them.
    fn schema(&self) -> SchemaRef;

    /// The table's comment.
    fn description(&self) -> Option<String>;

    /// What is noted of each column, in the order of the schema.
    fn notes(&self) -> Vec<ColumnNotes>;

    /// What the log knows of a column's values. Loads the file list if need be.
    ///
    /// # Errors
    /// `InvalidArgument` if the schema has no column `index`.
    async fn statistics(&self, index: usize) -> Result<ColumnStatistics>;

    /// How many rows the log says there are; `None` if a file lacks the count. Loads the file list if need be.
    async fn row_count(&self) -> Result<Option<u64>>;

    /// Splits a scan into at most `parts_max` parts, leaving out files that hold no matching row.
    async fn plan(&self, request: &ScanRequest, parts_max: NonZeroUsize) -> Result<ReadPlan>;

    /// Reads one part of a plan of this version. The stream does no work ahead of its reader beyond a small
    /// bounded number of batches, and stops when dropped.
    ///
    /// # Errors
    /// `InvalidArgument` if the part names a file this version does not have.
    async fn read(&self, request: &ScanRequest, part: &ReadPart) -> Result<ReadStream>;

    /// Begins an append to the table this is a snapshot of.
    ///
    /// # Errors
    /// `Unsupported` if the table needs a writer feature that is not offered, by its name.
    async fn append(&self) -> Result<Box<dyn Append>>;

    /// Begins an UPDATE or DELETE of rows of this snapshot.
    ///
    /// # Errors
    /// `Unsupported` if the table needs something of such a write that is not offered, by its name;
    /// `FailedPrecondition` if it is append-only; `InvalidArgument` if a column is not there, or set twice.
    async fn change(&self, request: &ChangeRequest) -> Result<Box<dyn Change>>;

    /// The columns that a MERGE gives back by its RETURNING; `None` without one. No I/O.
    ///
    /// # Errors
    /// As [`Self::merge`].
    fn merge_returns(&self, request: &MergeRequest) -> Result<Option<SchemaRef>>;

    /// Begins a MERGE into the table this is a snapshot of.
    ///
    /// # Errors
    /// `InvalidArgument` if the clauses are none, or name what is not there; `Unsupported`, by name, for what of them is
    /// not offered, or if the table needs something of such a write that is not offered; `FailedPrecondition` if the table
    /// is append-only and rows are to be changed.
    async fn merge(&self, request: &MergeRequest) -> Result<Box<dyn Merge>>;
}
