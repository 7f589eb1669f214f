//! Appends from batches to files, with a committer that only notes what it is given.

mod bounds;
mod failures;
mod log;
mod partitions;
mod round_trip;
mod stats;

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, Mutex},
};

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
        Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    },
    compute::concat_batches,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use deltalake_core::kernel::Add;
use object_store::{ObjectStore, local::LocalFileSystem};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use super::{AppendTarget, CommitAdds, Committer, FileNaming, Limits, StageTarget, StatsColumns, append::DeltaAppend};
use crate::{
    delta::{
        rules::Rules,
        schema::{ColumnMapping, TableSchema},
    },
    engine::{
        Append, Change, ChangeRequest, ColumnNotes, ColumnStatistics, CommitOutcome, Error, Merge, MergeRequest,
        ReadPart, ReadPlan, ReadStream, Result, ScanRequest, Snapshot,
    },
};

/// A snapshot of which only the version matters.
#[derive(Debug)]
struct FakeSnapshot(u64);

#[async_trait]
impl Snapshot for FakeSnapshot {
    fn version(&self) -> u64 {
        self.0
    }
    fn table_id(&self) -> &str {
        "fake"
    }
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::empty())
    }
    fn description(&self) -> Option<String> {
        None
    }
    fn notes(&self) -> Vec<ColumnNotes> {
        Vec::new()
    }
    async fn statistics(&self, _: usize) -> Result<ColumnStatistics> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    async fn row_count(&self) -> Result<Option<u64>> {
        Ok(None)
    }
    async fn plan(&self, _: &ScanRequest, _: NonZeroUsize) -> Result<ReadPlan> {
        Ok(ReadPlan::default())
    }
    async fn read(&self, _: &ScanRequest, _: &ReadPart) -> Result<ReadStream> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    async fn append(&self) -> Result<Box<dyn Append>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    async fn change(&self, _: &ChangeRequest) -> Result<Box<dyn Change>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    fn merge_returns(&self, _: &MergeRequest) -> Result<Option<SchemaRef>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
    async fn merge(&self, _: &MergeRequest) -> Result<Box<dyn Merge>> {
        Err(Error::Unsupported("a fake".to_owned()))
    }
}

/// What a commit shall come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Commit,
    Conflict,
    Fail,
    Unknown,
    Panic,
}

/// Notes what is committed, and answers as told.
struct FakeCommit {
    verdict: Verdict,
    seen: Seen,
}

/// The Adds and the row count of the one commit.
type Seen = Arc<Mutex<Option<(Vec<Add>, u64)>>>;

#[async_trait]
impl CommitAdds for FakeCommit {
    async fn commit(self: Box<Self>, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
        *self.seen.lock().unwrap() = Some((adds, rows));
        match self.verdict {
            Verdict::Commit => Ok(CommitOutcome::Committed(Arc::new(FakeSnapshot(1)))),
            Verdict::Conflict => Ok(CommitOutcome::Conflict { reason: "the schema changed".to_owned() }),
            Verdict::Fail => Err(Error::internal("could not write the log", "no space left")),
            Verdict::Unknown => {
                Err(Error::internal("could not write the log", super::OutcomeUnknown("timed out".into())))
            }
            Verdict::Panic => panic!("the committer panics, as this test wants"),
        }
    }
}

/// A table in a directory of its own.
struct Fixture {
    root: TempDir,
    schema: Arc<TableSchema>,
    stats_columns: StatsColumns,
    limits: Limits,
    verdict: Verdict,
    seen: Seen,
    /// Write through this instead of the local disk.
    store: Option<Arc<dyn ObjectStore>>,
}

impl Fixture {
    fn new(fields: Vec<Field>, partition_columns: &[&str]) -> Self {
        let schema = Arc::new(Schema::new(fields));
        let partition_columns = partition_columns.iter().map(|name| schema.index_of(name).unwrap()).collect();
        let (logical, stored, physical) = (Arc::clone(&schema), Arc::clone(&schema), schema);
        let table = TableSchema { logical, stored, physical, partition_columns, mapping: ColumnMapping::None };
        Self {
            root: tempfile::tempdir().unwrap(),
            schema: Arc::new(table),
            stats_columns: StatsColumns::default(),
            limits: Limits::default(),
            verdict: Verdict::Commit,
            seen: Seen::default(),
            store: None,
        }
    }

    fn begin(&self) -> Box<DeltaAppend> {
        let local = LocalFileSystem::new_with_prefix(self.root.path()).unwrap();
        let stage = StageTarget {
            store: self.store.clone().unwrap_or_else(|| Arc::new(local)),
            local_root: self.store.is_none().then(|| self.root.path().to_owned()),
            schema: Arc::clone(&self.schema),
            stats_columns: self.stats_columns.clone(),
            naming: FileNaming::DATA,
        };
        let target = AppendTarget {
            stage,
            rules: Rules::not_null("t", &self.schema.logical),
            base: Arc::new(FakeSnapshot(0)),
            committer: Committer::Alone(Box::new(FakeCommit { verdict: self.verdict, seen: Arc::clone(&self.seen) })),
        };
        Box::new(DeltaAppend::begin(target, self.limits).unwrap())
    }

    fn batch(&self, columns: Vec<ArrayRef>) -> RecordBatch {
        // Everything nullable: the append is to refuse nulls, not Arrow.
        let names = self.schema.logical.fields().iter().map(|field| field.name());
        let fields = names.zip(&columns).map(|(name, column)| field(name, column.data_type().clone()));
        RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap()
    }

    /// Writes `batches`, commits, and answers with the Adds.
    async fn append(&self, batches: Vec<RecordBatch>) -> Vec<Add> {
        let mut append = self.begin();
        for batch in batches {
            append.write(batch).await.unwrap();
        }
        assert!(
            matches!(append.commit().await.unwrap(), CommitOutcome::Committed(snapshot) if snapshot.version() == 1)
        );
        self.adds()
    }

    fn adds(&self) -> Vec<Add> {
        self.seen.lock().unwrap().as_ref().expect("nothing was committed").0.clone()
    }

    fn committed_rows(&self) -> u64 {
        self.seen.lock().unwrap().as_ref().expect("nothing was committed").1
    }

    /// All rows of a data file, as any Parquet reader sees them.
    fn read(&self, add: &Add) -> RecordBatch {
        let file = fs::File::open(self.root.path().join(&add.path)).unwrap();
        assert_eq!(i64::try_from(file.metadata().unwrap().len()).unwrap(), add.size);
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = Arc::clone(reader.schema());
        let batches: Vec<_> = reader.build().unwrap().map(std::result::Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    /// Every file and directory below the table's root.
    fn entries(&self) -> Vec<String> {
        let mut entries = Vec::new();
        collect_entries(self.root.path(), self.root.path(), &mut entries);
        // Where markers lie while files are made.
        entries.retain(|entry| entry != "_deltaport");
        entries.sort();
        entries
    }
}

fn collect_entries(root: &Path, directory: &Path, entries: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        entries.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        if path.is_dir() {
            collect_entries(root, &path, entries);
        }
    }
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn ntz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, None)
}

/// One column of each of Delta's primitive types: a value, a null, another value.
fn primitives() -> Vec<(Field, ArrayRef)> {
    let decimal = |values: [Option<i128>; 3], precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap())
    };
    let micros = vec![Some(1_700_000_000_123_456), None, Some(-1)];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("i8", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]))),
        ("f32", Arc::new(Float32Array::from(vec![Some(-1.5), None, Some(f32::MAX)]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(0.1), None, Some(1e300)]))),
        ("d1", decimal([Some(-9), None, Some(9)], 1, 0)),
        ("d9", decimal([Some(-12345), None, Some(999_999_999)], 9, 2)),
        ("d18", decimal([Some(-5), None, Some(10i128.pow(18) - 1)], 18, 18)),
        ("d38", decimal([Some(1 - 10i128.pow(38)), None, Some(5)], 38, 10)),
        ("text", Arc::new(StringArray::from(vec![Some("naïve 😀"), None, Some("a/b=c%20\"'")]))),
        ("bytes", Arc::new(BinaryArray::from(vec![Some(&b"HELLO"[..]), None, Some(&b"/=%"[..])]))),
        ("date", Arc::new(Date32Array::from(vec![Some(-719_162), None, Some(19_000)]))),
        ("utc", Arc::new(TimestampMicrosecondArray::from(micros.clone()).with_timezone("UTC"))),
        ("ntz", Arc::new(TimestampMicrosecondArray::from(micros))),
    ];
    columns.into_iter().map(|(name, array)| (field(name, array.data_type().clone()), array)).collect()
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn stats(add: &Add) -> serde_json::Value {
    serde_json::from_str(add.stats.as_ref().unwrap()).unwrap()
}

fn values(add: &Add) -> BTreeMap<String, Option<String>> {
    add.partition_values.clone().into_iter().collect()
}
