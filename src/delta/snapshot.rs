//! A version of a table behind the engine's seam.

use std::{fmt, num::NonZeroUsize, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::{
    change,
    definition::Definition,
    group_commit,
    index::FileIndex,
    merge,
    scan::{self, ColumnSummary, ScanSource},
    table::DeltaTable,
    version::Version,
    write::{self, AppendTarget},
};
use crate::engine::{
    Append, Change, ChangeRequest, ColumnNotes, ColumnStatistics, Error, Merge, MergeRequest, ReadPart, ReadPlan,
    ReadStream, Result, ScanRequest, Snapshot,
};

/// So many files may take milliseconds to look at, which calls beside this one should not wait for.
const BLOCKING_FILES_MIN: usize = 1000;

/// A version and the table it is one of. It stays whole however the table moves on.
#[derive(Clone)]
pub(crate) struct DeltaSnapshot {
    table: Arc<DeltaTable>,
    version: Arc<Version>,
}

impl DeltaSnapshot {
    pub(crate) fn new(table: Arc<DeltaTable>, version: Arc<Version>) -> Self {
        Self { table, version }
    }

    pub(crate) fn table(&self) -> &Arc<DeltaTable> {
        &self.table
    }

    pub(crate) fn definition(&self) -> &Arc<Definition> {
        self.version.definition()
    }

    /// The version, as the table's cache keeps it.
    pub(crate) fn state(&self) -> &Arc<Version> {
        &self.version
    }

    /// The version as scans need it.
    pub(crate) async fn source(&self) -> Result<ScanSource> {
        let store = self.table.store();
        Ok(ScanSource {
            store: store.objects().clone(),
            table_root: store.location().clone(),
            local_root: store.local_root().map(Into::into),
            version: self.version.number(),
            files: self.files().await?.clone(),
            schema: self.definition().schema().clone(),
        })
    }

    /// The live files, in the order of their ordinals; loaded once per version.
    pub(crate) async fn files(&self) -> Result<&Arc<FileIndex>> {
        self.version.files(self.table.store(), self.table.log()).await
    }
}

#[async_trait]
impl Snapshot for DeltaSnapshot {
    fn version(&self) -> u64 {
        self.version.number()
    }

    fn table_id(&self) -> &str {
        self.definition().metadata().id()
    }

    fn schema(&self) -> SchemaRef {
        self.definition().schema().logical.clone()
    }

    fn description(&self) -> Option<String> {
        self.definition().metadata().description().map(str::to_owned)
    }

    fn notes(&self) -> Vec<ColumnNotes> {
        self.definition().notes()
    }

    async fn statistics(&self, index: usize) -> Result<ColumnStatistics> {
        let schema = self.schema();
        let Some(field) = schema.fields().get(index) else {
            let columns = schema.fields().len();
            return Err(Error::InvalidArgument(format!("column {index} was asked for and the table has {columns}")));
        };
        if field.data_type().is_nested() {
            return Ok(ColumnSummary::unknown().statistics(field));
        }
        let summary = self.version.summary(index, self.table.store(), self.table.log()).await?;
        Ok(summary.statistics(field))
    }

    async fn row_count(&self) -> Result<Option<u64>> {
        Ok(scan::row_count(self.files().await?))
    }

    async fn plan(&self, request: &ScanRequest, parts_max: NonZeroUsize) -> Result<ReadPlan> {
        let (files, schema) = (self.files().await?.clone(), self.definition().schema().clone());
        if files.len() < BLOCKING_FILES_MIN {
            return Ok(scan::plan(&files, &schema, request, parts_max));
        }
        let request = request.clone();
        let planned = tokio::task::spawn_blocking(move || scan::plan(&files, &schema, &request, parts_max)).await;
        planned.map_err(|died| Error::internal("cannot tell which files a scan reads", died))
    }

    async fn read(&self, request: &ScanRequest, part: &ReadPart) -> Result<ReadStream> {
        scan::read(self.source().await?, request, part)
    }

    async fn append(&self) -> Result<Box<dyn Append>> {
        let store = self.table.store();
        self.definition().check_append(store.name())?;
        write::begin_append(AppendTarget {
            stage: self.table.stage_target(self.definition()),
            rules: self.definition().rules(store.name())?,
            base: Arc::new(self.clone()),
            committer: group_commit::committer(self.clone()),
        })
    }

    async fn change(&self, request: &ChangeRequest) -> Result<Box<dyn Change>> {
        change::begin(self.clone(), request).await
    }

    fn merge_returns(&self, request: &MergeRequest) -> Result<Option<SchemaRef>> {
        merge::returns(self, request)
    }

    async fn merge(&self, request: &MergeRequest) -> Result<Box<dyn Merge>> {
        merge::begin(self.clone(), request).await
    }
}

impl fmt::Debug for DeltaSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.table.store().location().as_str();
        formatter
            .debug_struct("DeltaSnapshot")
            .field("table", &location)
            .field("version", &self.version.number())
            .finish()
    }
}
