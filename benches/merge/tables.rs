//! The tables, and copies of them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use airport_tests::{
    client::{OnConflict, Result},
    server::Server,
};
use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::lineitem;

pub(crate) const SCHEMA: &str = "bench";
const ORIGINAL: &str = "original";
const BATCH_ROWS: usize = 64 << 10;

/// Keys of rows that are added lie so far from all others.
pub(crate) const NEW_KEYS: i64 = 1_000_000_000;

/// Which of TPC-H's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Lineitem,
    Orders,
}

impl Shape {
    pub(crate) fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Lineitem => &["l_orderkey", "l_linenumber"],
            Self::Orders => &["o_orderkey"],
        }
    }

    /// The decimal column that statements set.
    pub(crate) fn amount(self) -> &'static str {
        match self {
            Self::Lineitem => "l_extendedprice",
            Self::Orders => "o_totalprice",
        }
    }

    /// At most so many rows; `None` if there are none.
    pub(crate) fn batches(self, rows: usize) -> Option<Vec<RecordBatch>> {
        match self {
            Self::Lineitem => Some(lineitem::batches(rows, BATCH_ROWS)),
            Self::Orders => orders(rows),
        }
    }

    pub(crate) fn sums(self) -> String {
        let (key, amount) = (self.keys()[0], self.amount());
        format!("SELECT count(*), sum({key}), sum({amount}), sum({key} % 1000 * {amount}) FROM t")
    }
}

fn orders(rows: usize) -> Option<Vec<RecordBatch>> {
    let file = PathBuf::from(std::env::var_os(lineitem::TPCH)?).join("orders.parquet");
    let file = File::open(file).ok()?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let reader = reader.with_batch_size(BATCH_ROWS).with_limit(rows).build().expect("a Parquet file");
    Some(reader.map(|batch| plain(&batch.expect("a Parquet file"))).collect())
}

/// Texts as `Utf8`, as DuckDB sends them.
fn plain(batch: &RecordBatch) -> RecordBatch {
    let schema = batch.schema();
    let (fields, columns): (Vec<_>, Vec<_>) = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            let plain = match field.data_type() {
                DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
                other => other.clone(),
            };
            (Field::new(field.name(), plain.clone(), true), cast(column, &plain).expect("one text as another"))
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("columns of one length")
}

/// A batch whose first key is another.
pub(crate) fn shifted(batch: &RecordBatch, by: i64) -> RecordBatch {
    let keys = batch.column(0).as_primitive::<Int64Type>().unary::<_, Int64Type>(|key| key + by);
    let mut columns = batch.columns().to_vec();
    columns[0] = Arc::new(keys) as ArrayRef;
    RecordBatch::try_new(batch.schema(), columns).expect("the same types")
}

/// Makes the table anew.
pub(crate) async fn create(server: &Server, shape: Shape, batches: &[RecordBatch], times: usize) -> Result<()> {
    fs::remove_dir_all(server.table(SCHEMA, ORIGINAL)).ok();
    let mut client = server.client().await;
    if !client.list_schemas().await?.schema_names().contains(&SCHEMA) {
        client.create_schema(SCHEMA).await?;
    }
    let schema = batches[0].schema();
    let table = client.create_table(SCHEMA, ORIGINAL, &schema, OnConflict::Error).await?;
    for time in 0..times as i64 {
        client.begin().await?;
        // Each copy of the rows has keys of its own, which are not those of new rows.
        let rows: Vec<_> = batches.iter().map(|batch| shifted(batch, time * 2 * NEW_KEYS)).collect();
        client.insert(&table, &rows).await?;
    }
    println!("{shape:?} made");
    Ok(())
}

/// How many data files the table has, and their MiB.
pub(crate) fn size(server: &Server) -> (usize, u64) {
    let files = data_files(&server.table(SCHEMA, ORIGINAL));
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).expect("it is there").len()).sum();
    (files.len(), bytes >> 20)
}

/// A table of the same files: links, as nobody writes into a data file.
pub(crate) fn copy(server: &Server, name: &str) -> PathBuf {
    let (from, to) = (server.table(SCHEMA, ORIGINAL), server.table(SCHEMA, name));
    fs::create_dir(&to).expect("the last copy is gone");
    for path in data_files(&from) {
        fs::hard_link(&path, to.join(path.file_name().expect("a file"))).expect("one file system");
    }
    let log = to.join("_delta_log");
    fs::create_dir(&log).expect("a new directory");
    for entry in fs::read_dir(from.join("_delta_log")).expect("a log").flatten() {
        fs::copy(entry.path(), log.join(entry.file_name())).expect("a log can be copied");
    }
    to
}

pub(crate) fn remove(server: &Server, name: &str) {
    fs::remove_dir_all(server.table(SCHEMA, name)).expect("the copy is ours");
}

fn data_files(table: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(table).expect("a table").flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}
