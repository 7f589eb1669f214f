//! How many rows a data file has, and which of them are deleted.

use std::sync::Arc;

use roaring::RoaringTreemap;
use tokio::runtime::Handle;

use super::{
    ScanSource,
    context::{ScanContext, unreadable},
    data_file::{PageIndex, ParquetFile},
    deletion, raw_json,
};
use crate::{
    delta::file::DataFile,
    engine::{Error, Predicate, Result, ScanRequest},
};

/// The rows of a data file.
#[derive(Debug, Default)]
pub(crate) struct FileRows {
    /// How many there are, deleted ones counted.
    pub(crate) rows: u64,
    /// The positions of those that are deleted.
    pub(crate) deleted: RoaringTreemap,
}

/// Looks into a file of the table that `source` is a version of. What the log does not say is read: the footer if it has
/// no number of rows, and the deletion vector.
///
/// # Errors
/// `FailedPrecondition` if what must be read is gone.
pub(crate) async fn file_rows(source: &ScanSource, file: &Arc<DataFile>) -> Result<FileRows> {
    let by_log = raw_json::field(file.stats_json.as_deref().unwrap_or_default(), "numRecords");
    let by_log = by_log.and_then(|rows| rows.parse().ok());
    if let (Some(rows), None) = (by_log, &file.deletion_vector) {
        return Ok(FileRows { rows, ..FileRows::default() });
    }
    let request = ScanRequest { projection: vec![], row_id: false, predicate: Predicate::Unknown };
    let scan = ScanContext::new(source.clone(), request, Handle::current())?;
    let file = Arc::clone(file);
    let read = tokio::task::spawn_blocking(move || {
        let rows = by_log.map_or_else(|| rows_of_footer(&scan, &file), Ok)?;
        Ok(FileRows { rows, deleted: deleted_rows(&scan, &file, rows)? })
    });
    read.await.map_err(|died| Error::internal("looking into a data file", died))?
}

fn rows_of_footer(scan: &ScanContext, file: &DataFile) -> Result<u64> {
    let parquet = ParquetFile::open(scan.input(file)?, PageIndex::Nothing, scan.source.schema.mapping)
        .map_err(|source| unreadable(&file.path, source))?;
    u64::try_from(parquet.footer().file_metadata().num_rows())
        .map_err(|source| Error::internal(format!("file {} cannot be read", file.path), source))
}

fn deleted_rows(scan: &ScanContext, file: &DataFile, rows: u64) -> Result<RoaringTreemap> {
    let Some(vector) = &file.deletion_vector else { return Ok(RoaringTreemap::new()) };
    let framed = scan.read_vector(vector)?;
    deletion::deleted_rows(vector, framed, &scan.source.table_root, rows)
        .map_err(|source| deletion::inapplicable(&file.path, source))
}
