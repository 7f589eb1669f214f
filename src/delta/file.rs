//! One data file of a version, as the log describes it.

use std::{collections::BTreeMap, sync::Arc};

use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use object_store::path::Path;

/// A live Add action: one Parquet file, and which of its rows are deleted.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Where it lies below the table's root, percent-decoding of the log's path done.
    pub(crate) path: Path,
    /// The file's length.
    pub(crate) size_bytes: u64,
    /// Partition values by the columns' physical names, as the log's strings; `None` is NULL.
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    /// The Add's `stats` as the log's JSON (Delta protocol, "Per-file Statistics"); parsed only when needed.
    pub(crate) stats_json: Option<Arc<str>>,
    /// Which rows are deleted.
    pub(crate) deletion_vector: Option<DeletionVectorDescriptor>,
}
