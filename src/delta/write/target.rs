//! What a write is begun with: where the table lies, its shape, and who commits.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use deltalake_core::kernel::Add;
use object_store::ObjectStore;
use uuid::Uuid;

use super::Written;
use crate::{
    delta::{rules::Rules, schema::TableSchema},
    engine::{CommitOutcome, Result, Snapshot},
};

/// The table that data files are made for, as one of its versions describes it.
#[derive(Debug)]
pub(crate) struct StageTarget {
    /// Rooted at the table's root.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The table's root when it lies on a local disk: then files are written and synced without the store.
    pub(crate) local_root: Option<PathBuf>,
    /// The columns.
    pub(crate) schema: Arc<TableSchema>,
    /// Which columns get statistics.
    pub(crate) stats_columns: StatsColumns,
    /// What the files are called, and where they lie.
    pub(crate) naming: FileNaming,
}

/// Where files lie and how their names begin, so that one sees what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileNaming {
    /// Below the table's root, without a slash at its end; empty is the root. Those of partitions are in it.
    pub(crate) directory: &'static str,
    /// The first word of their names.
    pub(crate) prefix: &'static str,
}

impl FileNaming {
    /// Rows of the table.
    pub(crate) const DATA: Self = Self { directory: "", prefix: "part" };
    /// Changes of rows (PROTOCOL.md, "Change Data Files").
    pub(crate) const CHANGES: Self = Self { directory: "_change_data", prefix: "cdc" };

    /// The path of the `number`th file of a partition, below the table's root.
    pub(super) fn path(self, partition: &str, number: usize, id: Uuid) -> String {
        let directories = [self.directory, partition].into_iter().filter(|directory| !directory.is_empty());
        let mut path: String = directories.flat_map(|directory| [directory, "/"]).collect();
        path.push_str(&format!("{}-{number:05}-{id}-c000.snappy.parquet", self.prefix));
        path
    }
}

/// What an append is begun with.
pub(crate) struct AppendTarget {
    /// Where its files go.
    pub(crate) stage: StageTarget,
    /// What the rows must satisfy.
    pub(crate) rules: Rules,
    /// The version the append begins from; the answer of an append without rows.
    pub(crate) base: Arc<dyn Snapshot>,
    /// Leads what it writes into a version.
    pub(crate) committer: Committer,
}

/// Who leads what an append writes into a version.
pub(crate) enum Committer {
    /// Adds files to the log, as a version of their own.
    Alone(Box<dyn CommitAdds>),
    /// Shares a version, and files, with other appends.
    Shared(Box<dyn CommitShared>),
}

/// Adds data files to the log as one version.
#[async_trait]
pub(crate) trait CommitAdds: Send {
    /// Commits `adds`, which hold `rows` rows together. The files are durable already; a path is the file's place
    /// below the table's root, not yet percent-encoded (`Add` does that when it is serialised).
    ///
    /// # Errors
    /// An error says that the version does not stand and never will: the files are then removed. Whoever cannot
    /// tell says so with [`OutcomeUnknown`] as the error's source, and the files stay.
    async fn commit(self: Box<Self>, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome>;
}

/// Leads what one append has written into a version, together with what others have.
#[async_trait]
pub(crate) trait CommitShared: Send {
    /// Commits what an append has written; durable when it returns. What did not get into a version is removed.
    ///
    /// Dropped before others have taken it along, it leaves nothing; after that it is committed all the same.
    async fn commit(self: Box<Self>, written: Written) -> Result<CommitOutcome>;
}

/// The source of an `Internal` error after which a commit may stand or not. Files of such a commit must not be
/// removed: if it stands, the table would be broken; if not, they are orphans that VACUUM takes.
#[derive(Debug, thiserror::Error)]
#[error("the commit may have succeeded or not: {0}")]
pub(crate) struct OutcomeUnknown(#[source] pub(crate) Box<dyn std::error::Error + Send + Sync>);

/// Which columns get minimum, maximum and null count in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatsColumns {
    /// `delta.dataSkippingNumIndexedCols`: the first so many columns, fields of structs counted one by one, partition
    /// columns not at all; `None` (-1 in the table's properties) means all.
    pub(crate) indexed_columns_max: Option<usize>,
    /// `delta.dataSkippingStatsColumns` by physical names, fields of structs after a dot; takes precedence. A struct's
    /// name stands for all its fields.
    pub(crate) named: Option<Vec<String>>,
}

impl StatsColumns {
    /// No column has statistics; rows are counted nevertheless.
    pub(crate) const NONE: Self = Self { indexed_columns_max: Some(0), named: None };
}

impl Default for StatsColumns {
    /// 32 columns, Delta's own default.
    fn default() -> Self {
        Self { indexed_columns_max: Some(32), named: None }
    }
}
