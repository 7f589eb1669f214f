//! A scan: what is asked for, how it is split, and the batches that come back.

use arrow::record_batch::RecordBatch;
use futures::stream::BoxStream;

use super::{Predicate, Result};

/// What a scan is asked for.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Indexes into [`super::Snapshot::schema`], ascending, without repetition. May be empty (`count(*)`).
    pub projection: Vec<usize>,
    /// Whether each batch ends with the row id column.
    pub row_id: bool,
    /// Which rows are wanted; advice.
    pub predicate: Predicate,
}

/// How a scan is split.
#[derive(Debug, Clone, Default)]
pub struct ReadPlan {
    /// Disjoint parts that together hold every row of the request; empty when no row can match.
    pub parts: Vec<ReadPart>,
}

/// One part of a scan: the work of one stream. Meaningful only with the snapshot that planned it, and the same
/// on every server that opens that version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadPart {
    /// Read one after the other.
    pub units: Vec<ReadUnit>,
}

/// A slice of a file: slice `slice` of `slices` nearly equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadUnit {
    /// The file's ordinal in the snapshot (files in order of their paths).
    pub file: u32,
    /// Which slice.
    pub slice: u32,
    /// Of how many, at least 1.
    pub slices: u32,
}

/// Some rows of a part.
#[derive(Debug, Clone)]
pub struct ReadBatch {
    /// The projected columns in the order of the request, then the row id if asked for. With neither, a batch
    /// without columns whose row count is the answer.
    pub rows: RecordBatch,
    /// How much of the part is done after this batch, 0 to 1, never falling.
    pub progress: f64,
}

/// The batches of one part. Dropping it stops the work behind it.
pub type ReadStream = BoxStream<'static, Result<ReadBatch>>;
