//! Reading a version of a table: which files, row groups and pages may hold wanted rows, and the batches they make.
//!
//! - [`plan()`], [`Candidates`]: files are pruned by the log's knowledge of them, and shared out.
//! - [`read()`]: a part is read, unit after unit, on threads that may block.
//! - [`RowFetcher`]: single rows by their places.
//! - [`file_rows()`]: how many rows a file has, and which of them are deleted.
//! - [`ColumnSummary`]: what the log knows of a column over all files.
//! - `prune`, `order`, `simplify`, `filter`: predicates over bounds, and over rows. No I/O.
//! - `digest`, `keys`: what was found out about files, kept for the next statements.
//! - `file_bounds`, `parquet_bounds`, `text`, `raw_json`: where bounds come from.
//! - `data_file`, `footer`, `row_groups`, `columns`, `constant`, `adapt`, `cast`, `deletion`, `input`: an open file and what is
//!   taken from it.
//! - `context`, `unit`, `unit_reader`, `part`, `coalesce`, `width`: the reading itself.
//!
//! It does not know where the list of files comes from, nor who asks.

mod adapt;
mod cast;
mod coalesce;
mod columns;
mod constant;
mod context;
mod data_file;
mod deletion;
mod digest;
mod fetch;
mod file_bounds;
mod file_rows;
mod filter;
mod footer;
#[cfg(test)]
pub(crate) mod fuzz;
mod input;
mod keys;
mod order;
mod parquet_bounds;
mod part;
mod plan;
mod prune;
mod raw_json;
mod read;
mod row_groups;
mod simplify;
mod summary;
mod text;
mod unit;
mod unit_reader;
mod width;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use object_store::ObjectStore;
use roaring::RoaringTreemap;
use url::Url;

use self::digest::RowCount;
pub(crate) use self::{
    coalesce::bytes_of,
    digest::Digest,
    fetch::{RowFetcher, RowPlace},
    file_rows::{FileRows, file_rows},
    plan::{Candidates, plan},
    raw_json::replaced_fields,
    read::{read, read_filtered, read_without},
    summary::ColumnSummary,
};
use super::{index::FileIndex, schema::TableSchema};

/// One version of a table, as scans need it.
#[derive(Debug, Clone)]
pub(crate) struct ScanSource {
    /// The table's files, rooted at the table's root.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The table's root, with a slash at its end.
    pub(crate) table_root: Url,
    /// The table's root if it is a directory on a local disk.
    pub(crate) local_root: Option<PathBuf>,
    /// The version.
    pub(crate) version: u64,
    /// The version's files.
    pub(crate) files: Arc<FileIndex>,
    /// The version's columns.
    pub(crate) schema: Arc<TableSchema>,
}

/// Positions of rows that a scan passes over as if they were deleted, by the ordinals of their files.
pub(crate) type LeftOut = BTreeMap<u32, Arc<RoaringTreemap>>;

/// How many rows the log says the files hold, deleted ones not counted; `None` if it does not say of one.
pub(crate) fn row_count(files: &FileIndex) -> Option<u64> {
    let counts = files.blocks().map(|(_, block)| block.digest().row_count(block.files()));
    counts.fold(RowCount::default(), RowCount::and).known()
}

/// What the log knows of the column `index` over all files. Rows that have gone may still be told of.
pub(crate) fn summary(files: &FileIndex, schema: &Arc<TableSchema>, index: usize) -> ColumnSummary {
    let mut all = ColumnSummary::default();
    for (_, block) in files.blocks() {
        if all.is_unknown() {
            break;
        }
        all.merge(&block.digest().summary(block.files(), schema, index));
    }
    all
}
