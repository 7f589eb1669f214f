//! A catalog of one table that costs nothing: scans hand out batches made beforehand, appends discard theirs. Served
//! by the real service, it shows what the wire alone allows.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use async_trait::async_trait;
use deltaport::{
    app::Server,
    catalog::{Catalog, CatalogTable},
    config::Config,
    engine::{
        Alteration, Append, Change, ChangeRequest, ColumnNotes, ColumnStatistics, CommitOutcome, Error, Merge,
        MergeRequest, ReadBatch, ReadPart, ReadPlan, ReadStream, ReadUnit, Result, ScanRequest, Snapshot, Table,
        TableSpec,
    },
};
use futures::{StreamExt, stream};

use super::serving::Serving;

/// The catalog, its only schema and its only table.
#[derive(Debug)]
pub(crate) struct NullCatalog {
    name: String,
    table: Arc<NullTable>,
}

/// The table. Every scan delivers `batches`, split into parts of whole batches.
#[derive(Debug)]
pub(crate) struct NullTable {
    batches: Arc<Vec<RecordBatch>>,
}

impl NullCatalog {
    /// Serves a catalog `name`, whose `bench.lineitem` is `batches`.
    pub(crate) fn serve(name: &str, batches: Vec<RecordBatch>, socket: &Path) -> Serving {
        let catalog = Arc::new(Self::new(name, batches));
        Serving::start(socket, |listen| Server::bind_catalogs(Config::new(Vec::new(), listen), vec![catalog]))
    }

    fn new(name: &str, batches: Vec<RecordBatch>) -> Self {
        Self { name: name.to_owned(), table: Arc::new(NullTable { batches: Arc::new(batches) }) }
    }
}

#[async_trait]
impl Catalog for NullCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn generation(&self) -> u64 {
        1
    }

    async fn schemas(&self) -> Result<Vec<String>> {
        Ok(vec!["bench".to_owned()])
    }

    async fn tables(&self, _: &str) -> Result<Vec<CatalogTable>> {
        Ok(vec![CatalogTable { name: "lineitem".to_owned(), table: Arc::clone(&self.table) as _ }])
    }

    async fn table(&self, _: &str, _: &str) -> Result<Arc<dyn Table>> {
        Ok(Arc::clone(&self.table) as _)
    }

    async fn create_schema(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn drop_schema(&self, _: &str) -> Result<()> {
        Ok(())
    }

    async fn create_table(&self, _: &str, table: &str, _: &TableSpec) -> Result<Arc<dyn Snapshot>> {
        Err(Error::AlreadyExists(format!("table {table:?} is the only one")))
    }

    async fn rename_table(&self, _: &str, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn drop_table(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Table for NullTable {
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(Self { batches: Arc::clone(&self.batches) }))
    }

    async fn snapshot_at(&self, _: u64) -> Result<Arc<dyn Snapshot>> {
        self.snapshot().await
    }

    async fn snapshot_as_of(&self, _: i64) -> Result<Arc<dyn Snapshot>> {
        self.snapshot().await
    }

    async fn alter(&self, _: &Alteration) -> Result<Arc<dyn Snapshot>> {
        self.snapshot().await
    }
}

#[async_trait]
impl Snapshot for NullTable {
    fn version(&self) -> u64 {
        1
    }

    fn table_id(&self) -> &str {
        "null"
    }

    fn schema(&self) -> SchemaRef {
        self.batches[0].schema()
    }

    fn description(&self) -> Option<String> {
        None
    }

    fn notes(&self) -> Vec<ColumnNotes> {
        vec![ColumnNotes::default(); self.schema().fields().len()]
    }

    async fn statistics(&self, _: usize) -> Result<ColumnStatistics> {
        Err(Error::Unsupported("the null server knows no statistics".to_owned()))
    }

    async fn row_count(&self) -> Result<Option<u64>> {
        Ok(Some(self.batches.iter().map(|batch| batch.num_rows() as u64).sum()))
    }

    async fn plan(&self, _: &ScanRequest, parts_max: NonZeroUsize) -> Result<ReadPlan> {
        let slices = parts_max.get() as u32;
        let part = |slice| ReadPart { units: vec![ReadUnit { file: 0, slice, slices }] };
        Ok(ReadPlan { parts: (0..slices).map(part).collect() })
    }

    async fn read(&self, request: &ScanRequest, part: &ReadPart) -> Result<ReadStream> {
        let unit = part.units[0];
        let projection = request.projection.clone();
        let mine = |index: &usize| *index as u32 % unit.slices == unit.slice;
        let batches: Vec<_> =
            (0..self.batches.len()).filter(mine).map(|index| self.batches[index].project(&projection)).collect();
        let ready = |rows: Result<RecordBatch, _>| {
            Ok(ReadBatch { rows: rows.map_err(|e| Error::internal("projecting", e))?, progress: 0.5 })
        };
        Ok(stream::iter(batches).map(ready).boxed())
    }

    async fn append(&self) -> Result<Box<dyn Append>> {
        Ok(Box::new(Discard(Arc::clone(&self.batches))))
    }

    async fn change(&self, _: &ChangeRequest) -> Result<Box<dyn Change>> {
        Err(Error::Unsupported("the null server changes no rows".to_owned()))
    }

    fn merge_returns(&self, _: &MergeRequest) -> Result<Option<SchemaRef>> {
        Err(Error::Unsupported("the null server merges nothing".to_owned()))
    }

    async fn merge(&self, _: &MergeRequest) -> Result<Box<dyn Merge>> {
        Err(Error::Unsupported("the null server merges nothing".to_owned()))
    }
}

struct Discard(Arc<Vec<RecordBatch>>);

#[async_trait]
impl Append for Discard {
    async fn write(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        Ok(batch)
    }

    async fn commit(self: Box<Self>) -> Result<CommitOutcome> {
        Ok(CommitOutcome::Committed(Arc::new(NullTable { batches: self.0 })))
    }

    async fn abort(self: Box<Self>) {}
}
