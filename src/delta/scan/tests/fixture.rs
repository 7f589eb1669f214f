//! A table in a temporary directory, without a log: what a log would say is given.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{Field, Int32Type, Int64Type, Schema, SchemaRef},
};
use delta_kernel::actions::deletion_vector::{DeletionVectorDescriptor, DeletionVectorStorageType};
use futures::TryStreamExt;
use object_store::{local::LocalFileSystem, path::Path};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use tempfile::TempDir;
use url::Url;

use crate::{
    delta::{
        file::DataFile,
        fixtures::{inline_vector, vector_file, z85},
        index::FileIndex,
        scan::{RowFetcher, RowPlace, ScanSource, plan, read},
        schema::{ColumnMapping, TableSchema},
    },
    engine::{Predicate, ROW_ID_COLUMN, ReadBatch, ReadPart, ReadPlan, ReadUnit, Result, ScanRequest},
};

/// A table under construction.
pub(super) struct Fixture {
    pub(super) directory: TempDir,
    pub(super) schema: TableSchema,
    pub(super) files: Vec<Arc<DataFile>>,
    /// Whether files are read through the store.
    pub(super) remote: bool,
}

/// A file that was written, to be given what a log says of it.
pub(super) struct Written<'f>(&'f mut Fixture);

impl Fixture {
    pub(super) fn new(logical: Schema) -> Self {
        let logical: SchemaRef = Arc::new(logical);
        let schema = TableSchema {
            physical: Arc::clone(&logical),
            stored: Arc::clone(&logical),
            logical,
            partition_columns: vec![],
            mapping: ColumnMapping::None,
        };
        Self { directory: tempfile::tempdir().unwrap(), schema, files: vec![], remote: false }
    }

    /// A table with the columns of a batch.
    pub(super) fn of(batch: &RecordBatch) -> Self {
        Self::new(batch.schema().as_ref().clone())
    }

    pub(super) fn partitioned_by(mut self, columns: &[&str]) -> Self {
        let index = |name: &&str| self.schema.logical.index_of(name).unwrap();
        self.schema.partition_columns = columns.iter().map(index).collect();
        self
    }

    /// The names and ids that files have for columns.
    pub(super) fn mapped(mut self, mapping: ColumnMapping, physical: impl IntoIterator<Item = Field>) -> Self {
        self.schema.mapping = mapping;
        self.schema.physical = Arc::new(Schema::new(physical.into_iter().collect::<Vec<_>>()));
        self
    }

    /// Writes a file with one row group after another of `group_rows`.
    pub(super) fn write(&mut self, batch: &RecordBatch, properties: WriterProperties) -> Written<'_> {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        self.add(&bytes)
    }

    /// Writes a file of any bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Written<'_> {
        let path = Path::from(format!("part-{:05}.parquet", self.files.len()));
        std::fs::write(self.directory.path().join(path.as_ref()), bytes).unwrap();
        self.files.push(Arc::new(DataFile {
            path,
            log_path: None,
            size_bytes: bytes.len() as u64,
            partition_values: BTreeMap::new(),
            stats_json: None,
            deletion_vector: None,
            ..DataFile::default()
        }));
        Written(self)
    }

    pub(super) fn path_of(&self, file: usize) -> std::path::PathBuf {
        self.directory.path().join(self.files[file].path.as_ref())
    }

    pub(super) fn source(&self) -> ScanSource {
        let root = self.directory.path().to_path_buf();
        ScanSource {
            store: Arc::new(LocalFileSystem::new_with_prefix(&root).unwrap()),
            table_root: Url::from_directory_path(&root).unwrap(),
            local_root: (!self.remote).then_some(root),
            version: 7,
            files: Arc::new(self.index()),
            schema: Arc::new(self.schema.clone()),
        }
    }

    pub(super) fn plan(&self, request: &ScanRequest, parts_max: usize) -> ReadPlan {
        plan(&self.index(), &Arc::new(self.schema.clone()), request, NonZeroUsize::new(parts_max).unwrap())
    }

    /// The files' names are numbered, so their ordinals are their places.
    pub(super) fn index(&self) -> FileIndex {
        FileIndex::try_new(self.files.iter().cloned()).unwrap()
    }

    /// Every batch of a part.
    pub(super) async fn read(&self, request: &ScanRequest, units: &[ReadUnit]) -> Result<Vec<ReadBatch>> {
        let part = ReadPart { units: units.to_vec() };
        read(self.source(), request, &part)?.try_collect().await
    }

    /// All rows of a part, in one batch.
    pub(super) async fn rows(&self, request: &ScanRequest, units: &[ReadUnit]) -> Result<RecordBatch> {
        let batches: Vec<RecordBatch> = self.read(request, units).await?.into_iter().map(|batch| batch.rows).collect();
        match batches.first() {
            Some(first) => Ok(concat_batches(&first.schema(), &batches).unwrap()),
            None => Ok(RecordBatch::new_empty(Arc::new(Schema::empty()))),
        }
    }

    /// All rows of the table; those that are found are also fetched by their places, and must be the same.
    pub(super) async fn scan(&self, request: &ScanRequest) -> Result<RecordBatch> {
        let units: Vec<ReadUnit> = (0..self.files.len()).map(|file| whole(file as u32)).collect();
        let found = self.rows(request, &units).await?;
        if !request.projection.is_empty() && request.projection.is_sorted_by(|a, b| a < b) {
            let with_ids = self.rows(&ScanRequest { row_id: true, ..request.clone() }, &units).await?;
            if with_ids.num_rows() > 0 {
                let mut fetcher = RowFetcher::new(self.source(), request.projection.clone())?;
                let fetched = fetcher.fetch(&places(&with_ids)).await?;
                let columns: Vec<usize> = (0..request.projection.len()).collect();
                assert_eq!(fetched, with_ids.project(&columns).unwrap(), "fetched and scanned");
            }
        }
        Ok(found)
    }

    /// A request for all columns.
    pub(super) fn all(&self, predicate: Predicate) -> ScanRequest {
        ScanRequest { projection: (0..self.schema.logical.fields().len()).collect(), row_id: false, predicate }
    }
}

/// The places of rows that were read with their ids.
pub(super) fn places(rows: &RecordBatch) -> Vec<RowPlace> {
    let ids = rows.column_by_name(ROW_ID_COLUMN).unwrap().as_struct();
    let files = ids.column(1).as_primitive::<Int32Type>().values();
    let positions = ids.column(2).as_primitive::<Int64Type>().values();
    let place = |(file, position): (&i32, &i64)| RowPlace { file: *file as u32, position: *position as u64 };
    files.iter().zip(positions).map(place).collect()
}

pub(super) fn whole(file: u32) -> ReadUnit {
    ReadUnit { file, slice: 0, slices: 1 }
}

impl Written<'_> {
    fn file(&mut self) -> &mut DataFile {
        Arc::get_mut(self.0.files.last_mut().unwrap()).unwrap()
    }

    pub(super) fn stats(mut self, json: &str) -> Self {
        self.file().stats_json = Some(json.into());
        self
    }

    pub(super) fn partition(mut self, column: &str, value: Option<&str>) -> Self {
        self.file().partition_values.insert(column.to_owned(), value.map(str::to_owned));
        self
    }

    /// Deletes rows by a vector in the log itself.
    pub(super) fn deleted_inline(mut self, rows: &[u64]) -> Self {
        self.file().deletion_vector = Some(inline_vector(rows));
        self
    }

    /// Deletes rows by a vector in a file of its own, below a directory.
    pub(super) fn deleted_by_file(mut self, rows: &[u64]) -> Self {
        let (bytes, size_in_bytes) = vector_file(rows);
        let uuid: [u8; 16] = std::array::from_fn(|i| (self.0.files.len() * 16 + i) as u8);
        let descriptor = DeletionVectorDescriptor {
            storage_type: DeletionVectorStorageType::PersistedRelative,
            path_or_inline_dv: format!("ab{}", z85(&uuid)),
            offset: Some(1),
            size_in_bytes,
            cardinality: rows.len() as i64,
        };
        let root = Url::from_directory_path(self.0.directory.path()).unwrap();
        let path = descriptor.absolute_path(&root).unwrap().unwrap().to_file_path().unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self.file().deletion_vector = Some(descriptor);
        self
    }
}
