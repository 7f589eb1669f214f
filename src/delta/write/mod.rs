//! Temporary: stands in for the writer until it is merged.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use deltalake_core::kernel::Add;
use object_store::ObjectStore;

use super::schema::TableSchema;
use crate::engine::{Append, CommitOutcome, Error, Result, Snapshot};

#[allow(dead_code, reason = "read by the writer")]
pub(crate) struct AppendTarget {
    pub store: Arc<dyn ObjectStore>,
    pub local_root: Option<PathBuf>,
    pub schema: Arc<TableSchema>,
    pub stats_columns: StatsColumns,
    pub base: Arc<dyn Snapshot>,
    pub commit: Box<dyn CommitAdds>,
}

#[async_trait]
pub(crate) trait CommitAdds: Send {
    #[allow(dead_code, reason = "called by the writer")]
    async fn commit(self: Box<Self>, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatsColumns {
    pub indexed_columns_max: Option<usize>,
    pub named: Option<Vec<String>>,
}

#[allow(clippy::needless_pass_by_value, reason = "the writer keeps it")]
pub(crate) fn begin_append(_: AppendTarget) -> Result<Box<dyn Append>> {
    Err(Error::Unsupported("writing is not there yet".to_owned()))
}
