//! A table, a source and a plan, and what is found in what is staged.

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    compute::concat_batches,
    datatypes::{DataType, Field, FieldRef, Int32Type, Int64Type, Schema, SchemaRef},
    util::display::array_value_to_string,
};
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roaring::RoaringTreemap;
use serde_json::{Value, json};

use super::super::{Applied, Decisions, Limits, apply_within};
use crate::{
    delta::{
        change::ChangedRows,
        fixtures::{Lake, data_file, features, field, metadata, newest},
        index::FileIndex,
        merge::{
            matching::{Decided, Unmatched},
            source::{MemoryBudget, SourceRows, Spool},
        },
        scan::{self, RowPlace, ScanSource},
        snapshot::DeltaSnapshot,
    },
    engine::{CommitOutcome, Error, Predicate, ReadPart, ReadUnit, Result, ScanRequest, Snapshot},
    expression::{Dialect, Expression},
    merge::{Action, Assignment, Clause, Key, MergePlan, On, Returning, When},
};

/// Small ones, so that a few rows are many chunks and pieces.
pub(super) const TINY: Limits = Limits { chunk_rows: 7, fetched_bytes: 300, piece_bytes: 300 };

pub(super) fn memory() -> MemoryBudget {
    MemoryBudget::new(64 << 20)
}

/// What a matching found.
#[derive(Default)]
pub(super) struct Found {
    decided: VecDeque<Result<Decided>>,
    unmatched: RoaringTreemap,
}

impl Found {
    /// Rows of the target at these places, and which rows of the source they match.
    pub(super) fn pairs(mut self, clause: usize, places: &[RowPlace], source: &[u64]) -> Self {
        let (places, source) = (places.to_vec(), source.to_vec());
        self.decided.push_back(Ok(Decided { clause, places, source }));
        self
    }

    pub(super) fn unmatched(mut self, rows: impl IntoIterator<Item = u64>) -> Self {
        self.unmatched.extend(rows);
        self
    }

    pub(super) fn fails(mut self, text: &str) -> Self {
        self.decided.push_back(Err(Error::InvalidArgument(text.to_owned())));
        self
    }
}

impl Decisions for Found {
    async fn next(&mut self) -> Result<Option<Decided>> {
        tokio::task::yield_now().await;
        self.decided.pop_front().transpose()
    }

    fn finish(self) -> Result<Unmatched> {
        let could_matter = Predicate::Or(vec![]);
        Ok(Unmatched { rows: self.unmatched, could_matter })
    }
}

/// The columns of a plan, and its clauses.
pub(super) struct Plan {
    target: SchemaRef,
    joined: SchemaRef,
    plan: MergePlan,
}

impl Plan {
    /// The names of the source's columns must not be among the target's.
    pub(super) fn new(base: &DeltaSnapshot, source: &Schema) -> Self {
        let target = base.schema();
        let nullable = |field: &FieldRef| Arc::new(Field::clone(field).with_nullable(true));
        let joined = target.fields().iter().chain(source.fields()).map(nullable).collect::<Vec<_>>();
        let joined = Arc::new(Schema::new(joined));
        let plan = MergePlan {
            columns: joined.clone(),
            target_columns: target.fields().len(),
            on: On::default(),
            clauses: Vec::new(),
            source_keys_unique: false,
            returning: None,
        };
        Self { target, joined, plan }
    }

    pub(super) fn expression(&self, sql: &str) -> Expression {
        Expression::new(sql, Dialect::DuckDb, &self.joined).unwrap()
    }

    fn value(&self, column: usize, sql: &str) -> Expression {
        self.expression(sql).cast_to(self.target.field(column)).unwrap()
    }

    pub(super) fn key(mut self, target: &str, source: &str) -> Self {
        let (name, nulls_equal) = (target.to_owned(), false);
        let (target, source) = (self.expression(target), self.expression(source));
        self.plan.on.keys.push(Key { target, source, nulls_equal, name });
        self
    }

    pub(super) fn clause(mut self, when: When, condition: Option<&str>, action: Action) -> Self {
        let condition = condition.map(|sql| (self.expression(sql), format!(" AND {sql}")));
        let name = match when {
            When::Matched => "WHEN MATCHED",
            When::NotMatched => "WHEN NOT MATCHED",
            When::NotMatchedBySource => "WHEN NOT MATCHED BY SOURCE",
        };
        let text = format!("{name}{}", condition.as_ref().map_or("", |(_, text)| text));
        self.plan.clauses.push(Clause { when, condition: condition.map(|(condition, _)| condition), action, text });
        self
    }

    pub(super) fn update(self, when: When, set: &[(&str, &str)]) -> Self {
        let assignment = |(name, sql): &(&str, &str)| {
            let column = self.target.index_of(name).unwrap();
            Assignment { column, value: self.value(column, sql) }
        };
        let action = Action::Update(set.iter().map(assignment).collect());
        self.clause(when, None, action)
    }

    /// An empty text stands for a column that is left out.
    pub(super) fn insert(self, when: When, condition: Option<&str>, values: &[&str]) -> Self {
        let value = |(column, sql): (usize, &&str)| (!sql.is_empty()).then(|| self.value(column, sql));
        let action = Action::Insert(values.iter().enumerate().map(value).collect());
        self.clause(when, condition, action)
    }

    pub(super) fn delete(self, when: When) -> Self {
        self.clause(when, None, Action::Delete)
    }

    pub(super) fn returning(mut self, values: &[&str]) -> Self {
        let mut columns = self.target.fields().to_vec();
        columns.push(Arc::new(Field::new("merge_action", DataType::Utf8, true)));
        let columns = Schema::new(columns);
        let value = |sql: &&str| Expression::new(sql, Dialect::DuckDb, &columns).unwrap();
        let values: Vec<Expression> = values.iter().map(value).collect();
        let field = |(index, value): (usize, &Expression)| {
            value.result().clone().with_name(format!("r{index}")).with_nullable(true)
        };
        let columns = Arc::new(Schema::new(values.iter().enumerate().map(field).collect::<Vec<_>>()));
        self.plan.returning = Some(Returning { columns, values });
        self
    }

    pub(super) fn done(self) -> MergePlan {
        self.plan
    }
}

pub(super) async fn run(
    base: &DeltaSnapshot,
    plan: &MergePlan,
    found: Found,
    source: &Arc<SourceRows>,
) -> Result<Applied> {
    apply_within(base, plan, found, source, &memory(), TINY).await
}

/// As [`numbered`], with deletion vectors.
pub(super) async fn plain(lake: &Lake, files: &[i64]) -> DeltaSnapshot {
    let vectors = json!({ "delta.enableDeletionVectors": "true" });
    numbered(lake, features(&["deletionVectors"], &["deletionVectors"]), &vectors, files).await
}

/// `id BIGINT, v BIGINT, t VARCHAR`: rows `(n, 10 * n, "tn")` in files of these sizes.
pub(super) async fn numbered(lake: &Lake, protocol: Value, configuration: &Value, files: &[i64]) -> DeltaSnapshot {
    let columns = json!([field("id", json!("long")), field("v", json!("long")), field("t", json!("string"))]);
    lake.write("t", 0, &[protocol, metadata(&columns, configuration)]);
    let mut first = 0;
    for rows in files {
        append(lake, numbers(&["id", "v", "t"], first..first + rows)).await;
        first += rows;
    }
    opened(lake).await
}

pub(super) async fn opened(lake: &Lake) -> DeltaSnapshot {
    newest(&lake.table("t")).await.unwrap()
}

pub(super) async fn append(lake: &Lake, rows: RecordBatch) {
    let mut append = opened(lake).await.append().await.unwrap();
    append.write(rows).await.unwrap();
    assert!(matches!(append.commit().await.unwrap(), CommitOutcome::Committed(_)));
}

/// `(n, 10 * n, "tn")`
pub(super) fn numbers(names: &[&str; 3], range: std::ops::Range<i64>) -> RecordBatch {
    let texts: StringArray = range.clone().map(|n| Some(format!("t{n}"))).collect();
    batch(&[
        (names[0], Arc::new(Int64Array::from_iter_values(range.clone()))),
        (names[1], Arc::new(Int64Array::from_iter_values(range.map(|n| 10 * n)))),
        (names[2], Arc::new(texts)),
    ])
}

pub(super) fn longs(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

pub(super) fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

pub(super) fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let fields = columns.iter().map(|(name, values)| Field::new(*name, values.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.iter().map(|(_, values)| values.clone()).collect()).unwrap()
}

/// The rows as a source, a few of them in each batch.
pub(super) async fn source(rows: &RecordBatch) -> Arc<SourceRows> {
    source_within(rows, 8 << 10).await
}

/// With the less memory, the smaller are the batches, and the sooner they are in a file.
pub(super) async fn source_within(rows: &RecordBatch, bytes: usize) -> Arc<SourceRows> {
    let mut spool = Spool::new(rows.schema(), MemoryBudget::new(bytes), std::env::temp_dir());
    for start in (0..rows.num_rows()).step_by(5) {
        spool.push(rows.slice(start, 5.min(rows.num_rows() - start))).await.unwrap();
    }
    Arc::new(spool.finish().await.unwrap())
}

/// The places of the rows of a table of one file whose rows lie as they are numbered.
pub(super) fn at(positions: impl IntoIterator<Item = u64>) -> Vec<RowPlace> {
    positions.into_iter().map(|position| RowPlace { file: 0, position }).collect()
}

/// All rows of a version, with ids at the end if wanted.
async fn read(source: ScanSource, row_id: bool) -> RecordBatch {
    let columns = source.schema.logical.fields().len();
    let request = ScanRequest { projection: (0..columns).collect(), row_id, predicate: Predicate::Unknown };
    let units = (0..source.files.len() as u32).map(|file| ReadUnit { file, slice: 0, slices: 1 }).collect();
    let schema = source.schema.logical.clone();
    let batches: Vec<_> = scan::read(source, &request, &ReadPart { units }).unwrap().try_collect().await.unwrap();
    let rows: Vec<_> = batches.into_iter().map(|batch| batch.rows).collect();
    concat_batches(&rows.first().map_or(schema, RecordBatch::schema), &rows).unwrap()
}

/// Rows as text, in order.
pub(super) fn told(rows: &RecordBatch) -> Vec<String> {
    let value = |column: &ArrayRef, row: usize| match column.is_null(row) {
        true => "NULL".to_owned(),
        false => array_value_to_string(column, row).unwrap(),
    };
    let row = |row| rows.columns().iter().map(|column| value(column, row)).collect::<Vec<_>>().join(" ");
    let mut told: Vec<String> = (0..rows.num_rows()).map(row).collect();
    told.sort();
    told
}

/// The rows of staged data files.
pub(super) async fn staged(base: &DeltaSnapshot, adds: &[Add]) -> Vec<String> {
    let files = Arc::new(FileIndex::try_new(adds.iter().map(data_file)).unwrap());
    told(&read(ScanSource { files, ..base.source().await.unwrap() }, false).await)
}

/// The rows of staged change files.
pub(super) fn changes(lake: &Lake, adds: &[Add]) -> Vec<String> {
    let mut changes = Vec::new();
    for add in adds {
        let file = std::fs::File::open(lake.path("t").join(&add.path)).unwrap();
        for rows in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            changes.extend(told(&rows.unwrap()));
        }
    }
    changes.sort();
    changes
}

/// The rows of RETURNING.
pub(super) fn returned(applied: &Applied) -> Vec<String> {
    let rows = applied.returned.as_ref().unwrap();
    let mut all: Vec<String> = rows.batches().iter().flat_map(told).collect();
    all.sort();
    all
}

/// Positions by file.
pub(super) fn changed(rows: &ChangedRows) -> Vec<(u32, Vec<u64>)> {
    rows.files().map(|(file, rows)| (file, rows.changed.iter().collect())).collect()
}

/// The first column of all rows of a version, ascending, and where they are.
pub(super) async fn placed(base: &DeltaSnapshot) -> Vec<(i64, RowPlace)> {
    let rows = read(base.source().await.unwrap(), true).await;
    let ids = rows.columns().last().unwrap().as_struct();
    let (files, positions) = (ids.column(1).as_primitive::<Int32Type>(), ids.column(2).as_primitive::<Int64Type>());
    let first = rows.column(0).as_primitive::<Int64Type>();
    let place = |row| RowPlace { file: files.value(row) as u32, position: positions.value(row) as u64 };
    let mut placed: Vec<_> = (0..rows.num_rows()).map(|row| (first.value(row), place(row))).collect();
    placed.sort();
    placed
}

/// How many files a table has outside of its log.
pub(super) fn files_on_disk(lake: &Lake) -> usize {
    names(&lake.path("t")).len()
}

/// How many of them have rows.
pub(super) fn parquet_files(lake: &Lake) -> usize {
    names(&lake.path("t")).iter().filter(|name| name.ends_with(".parquet")).count()
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let entries = entries.filter(|path| !path.ends_with("_delta_log"));
    entries.flat_map(|path| if path.is_dir() { names(&path) } else { vec![path.display().to_string()] }).collect()
}
