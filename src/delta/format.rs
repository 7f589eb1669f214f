//! Delta Lake as a table format of the engine.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use lru::LruCache;
use url::Url;

use super::{
    DeltaOptions, alter, checkpoint::Background, create, group_commit::GroupLimits, snapshot::DeltaSnapshot,
    store::TableStore, table::DeltaTable,
};
use crate::engine::{Alteration, Result, Snapshot, Table, TableFormat, TableSpec};

/// Opens and makes Delta tables, and remembers what it knows of those in use.
pub struct DeltaFormat {
    tables: Mutex<LruCache<Url, Arc<DeltaTable>>>,
    background: Arc<Background>,
    options: DeltaOptions,
}

impl DeltaFormat {
    /// A format with these settings.
    pub fn new(options: DeltaOptions) -> Self {
        Self { tables: Mutex::new(LruCache::new(options.tables_cached_max)), background: Arc::default(), options }
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
        let table = table.with_deletion_vectors(self.options.deletion_vectors);
        let table = Arc::new(table.with_merge(self.options.merge.clone()));
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
        create::create(table.store(), table.log(), spec, self.options.new_table_deletion_vectors).await?;
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
