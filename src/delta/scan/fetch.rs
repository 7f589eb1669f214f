//! Single rows of a version, by their places.

use arrow::array::RecordBatch;

use super::ScanSource;
use crate::engine::{Error, Result};

/// A row of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowPlace {
    /// The file's ordinal in the version.
    pub(crate) file: u32,
    /// The row's position in the file, deleted rows counted.
    pub(crate) position: u64,
}

/// Reads rows by their places: only the row groups and pages that hold them.
#[derive(Debug)]
pub(crate) struct RowFetcher {}

impl RowFetcher {
    /// `columns` are indexes into the version's columns, ascending, without repetition.
    ///
    /// # Errors
    /// `InvalidArgument` if a column is not there.
    pub(crate) fn new(_source: ScanSource, _columns: Vec<usize>) -> Result<Self> {
        Ok(Self {})
    }

    /// The rows at `places`, in that order, in the seam's types. Every place is one of a live row.
    pub(crate) async fn fetch(&mut self, _places: &[RowPlace]) -> Result<RecordBatch> {
        Err(Error::Unsupported("fetching rows".to_owned()))
    }
}
