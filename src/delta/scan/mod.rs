//! Temporary: stands in for the scan until it is merged.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc};

use object_store::ObjectStore;
use url::Url;

use super::{file::DataFile, schema::TableSchema};
use crate::engine::{Error, ReadPart, ReadPlan, ReadStream, Result, ScanRequest};

#[allow(dead_code, reason = "read by the scan")]
pub(crate) struct ScanSource {
    pub store: Arc<dyn ObjectStore>,
    pub table_root: Url,
    pub local_root: Option<PathBuf>,
    pub version: u64,
    pub files: Arc<Vec<Arc<DataFile>>>,
    pub schema: Arc<TableSchema>,
}

pub(crate) fn plan(_: &[Arc<DataFile>], _: &TableSchema, _: &ScanRequest, _: NonZeroUsize) -> ReadPlan {
    ReadPlan::default()
}

#[allow(clippy::needless_pass_by_value, reason = "the scan keeps it")]
pub(crate) fn read(_: ScanSource, _: &ScanRequest, _: &ReadPart) -> Result<ReadStream> {
    Err(Error::Unsupported("reading is not there yet".to_owned()))
}

pub(crate) fn row_count(files: &[Arc<DataFile>]) -> Option<u64> {
    files.is_empty().then_some(0)
}
