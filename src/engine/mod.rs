//! The seam over any table format: what a snapshot, a scan and a write are.
//!
//! Arrow types only. This module does no I/O and knows neither Delta nor Flight; `delta/` implements its traits
//! and `service/` calls them. The documentation of each trait is its contract, and `contract` holds the suite
//! every implementation runs.

mod alter;
#[cfg(test)]
pub(crate) mod contract;
mod error;
mod merge;
mod predicate;
mod row_id;
mod scan;
mod statistics;
mod table;
mod types;
mod write;

pub use alter::Alteration;
pub use error::{Error, Result};
pub use merge::{Merge, MergeClauses, MergeCounts, MergeOutcome, MergeRequest, Merged};
pub use predicate::{ColumnPath, CompareOp, Predicate, Scalar};
pub use row_id::{ROW_ID_COLUMN, RowId, row_id_field};
pub use scan::{ReadBatch, ReadPart, ReadPlan, ReadStream, ReadUnit, ScanRequest};
pub use statistics::ColumnStatistics;
pub use table::{ColumnNotes, Snapshot, Table, TableFormat, TableSpec};
pub use types::Extension;
pub use write::{Append, Change, ChangeKind, ChangeRequest, CommitOutcome};
