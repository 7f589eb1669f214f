//! Delta Lake as a table format of the engine.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lru::LruCache;
use url::Url;

use super::{
    alter, checkpoint::Background, create, group_commit::GroupLimits, snapshot::DeltaSnapshot, store::TableStore,
    table::DeltaTable,
};
use crate::engine::{Alteration, Result, Snapshot, Table, TableFormat, TableSpec};

/// How Delta tables are worked with.
#[derive(Debug, Clone, Copy)]
pub struct DeltaOptions {
    /// How many tables are remembered, those used last: a table's file list takes about a kilobyte a file, and a
    /// forgotten table only costs reading its log again.
    pub tables_cached_max: NonZeroUsize,
    /// How many INSERTs into one table may share a commit, if they come while another is being made; with 1 each makes
    /// its own.
    pub group_commit_statements_max: NonZeroUsize,
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self {
            tables_cached_max: NonZeroUsize::new(4096).expect("is not zero"),
            group_commit_statements_max: GroupLimits::STATEMENTS_MAX,
        }
    }
}

/// Opens and makes Delta tables, and remembers what it knows of those in use.
pub struct DeltaFormat {
    options: DeltaOptions,
    tables: Mutex<LruCache<Url, Arc<DeltaTable>>>,
    background: Arc<Background>,
}

impl DeltaFormat {
    /// A format that works as `options` say.
    pub fn new(options: DeltaOptions) -> Self {
        let tables = Mutex::new(LruCache::new(options.tables_cached_max));
        Self { options, tables, background: Arc::default() }
    }

    /// Waits for what goes on behind finished calls (checkpoints). For a shutdown, after the last call.
    pub async fn finish(&self) {
        self.background.finish().await;
    }

    fn open(&self, location: &Url) -> Result<Arc<DeltaTable>> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = tables.get(location) {
            return Ok(table.clone());
        }
        let limits = GroupLimits::of_statements(self.options.group_commit_statements_max);
        let table = DeltaTable::new(TableStore::open(location)?, self.background.clone()).with_group(limits);
        let table = Arc::new(table);
        tables.put(location.clone(), table.clone());
        Ok(table)
    }
}

#[async_trait]
impl TableFormat for DeltaFormat {
    fn table(&self, location: &Url) -> Result<Arc<dyn Table>> {
        Ok(Arc::new(TableHandle(self.open(location)?)))
    }

    fn exists(&self, location: &Url) -> bool {
        location.to_file_path().is_ok_and(|root| root.join("_delta_log").is_dir())
    }

    async fn create(&self, location: &Url, spec: &TableSpec) -> Result<Arc<dyn Snapshot>> {
        let table = self.open(location)?;
        create::create(table.store(), table.log(), spec).await?;
        TableHandle(table).snapshot().await
    }

    fn forget(&self, location: &Url) {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).pop(location);
    }
}

impl Default for DeltaFormat {
    fn default() -> Self {
        Self::new(DeltaOptions::default())
    }
}

impl fmt::Debug for DeltaFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner).len();
        formatter.debug_struct("DeltaFormat").field("tables", &tables).finish_non_exhaustive()
    }
}

/// A table of the format; snapshots keep their table.
#[derive(Debug)]
struct TableHandle(Arc<DeltaTable>);

#[async_trait]
impl Table for TableHandle {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(DeltaSnapshot::new(self.0.clone(), self.0.newest().await?)))
    }

    async fn snapshot_at(&self, version: u64) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(DeltaSnapshot::new(self.0.clone(), self.0.at(version).await?)))
    }

    async fn snapshot_as_of(&self, time_us: i64) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(DeltaSnapshot::new(self.0.clone(), self.0.as_of(time_us).await?)))
    }

    async fn alter(&self, change: &Alteration) -> Result<Arc<dyn Snapshot>> {
        alter::alter(&self.0, change).await
    }
}

#[cfg(test)]
mod tests;
