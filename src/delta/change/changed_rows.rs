//! Which rows a statement changes: row ids, checked against the version that minted them.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use roaring::RoaringTreemap;

use crate::{
    delta::{scan::RowPlace, snapshot::DeltaSnapshot},
    engine::{Error, Result},
};

/// The rows, by the ordinals of their files.
#[derive(Debug)]
pub(crate) struct ChangedRows {
    files: BTreeMap<u32, ChangedFile>,
}

/// What is changed of a file.
#[derive(Debug, Default)]
pub(crate) struct ChangedFile {
    /// Rows of the file, deleted ones counted.
    pub(crate) rows: u64,
    /// Positions that are deleted in the version already.
    pub(crate) deleted: RoaringTreemap,
    /// Positions to be changed; none of them is deleted.
    pub(crate) changed: RoaringTreemap,
}

impl ChangedRows {
    pub(crate) async fn new(_base: &DeltaSnapshot) -> Result<Self> {
        Ok(Self { files: BTreeMap::new() })
    }

    /// Notes the rows that `row_ids`, an array of [`crate::engine::RowId::fields`], name; their places in that order.
    ///
    /// # Errors
    /// `InvalidArgument` if an id is null, came before, or names no live row; `FailedPrecondition` if it is of another
    /// version.
    pub(crate) async fn take(&mut self, _row_ids: &ArrayRef) -> Result<Vec<RowPlace>> {
        Err(Error::Unsupported("taking row ids".to_owned()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// By ordinal.
    pub(crate) fn files(&self) -> impl Iterator<Item = (u32, &ChangedFile)> {
        self.files.iter().map(|(ordinal, file)| (*ordinal, file))
    }
}
