//! New rows of tables of many shapes: those a reader finds in what is staged.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatchOptions, StringArray, UInt64Array},
    compute::{concat_batches, take, take_record_batch},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema},
};
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::*;
use crate::{
    delta::{
        DeltaFormat,
        duckdb_types::tests::{
            data::{KINDS, Random, data_type, values},
            tables::told,
        },
        fixtures::{Lake, data_file, features, field, field_with, metadata, newest},
        index::FileIndex,
        scan::{self, ScanSource},
        write::Staged,
    },
    engine::{
        ChangeKind, ChangeRequest, CommitOutcome, Predicate, ReadPart, ReadUnit, ScanRequest, Snapshot, TableFormat,
        TableSpec,
    },
};

/// Small ones, so that a few rows are many chunks and pieces.
const TINY: Limits = Limits { chunk_rows: 50, chunk_bytes: 10_000, fetched_bytes: 2_000 };

/// All rows of a version, with ids at the end if wanted.
async fn read(source: ScanSource, row_id: bool) -> RecordBatch {
    let request = ScanRequest {
        projection: (0..source.schema.logical.fields().len()).collect(),
        row_id,
        predicate: Predicate::Unknown,
    };
    let units = (0..source.files.len() as u32).map(|file| ReadUnit { file, slice: 0, slices: 1 }).collect();
    let batches: Vec<_> =
        scan::read(source.clone(), &request, &ReadPart { units }).unwrap().try_collect().await.unwrap();
    let rows: Vec<_> = batches.into_iter().map(|batch| batch.rows).collect();
    let schema = rows.first().map_or_else(|| source.schema.logical.clone(), RecordBatch::schema);
    concat_batches(&schema, &rows).unwrap()
}

fn places(rows: &RecordBatch) -> Vec<RowPlace> {
    let ids = rows.columns().last().unwrap().as_struct();
    let (files, positions) = (ids.column(1).as_primitive::<Int32Type>(), ids.column(2).as_primitive::<Int64Type>());
    let place = |(file, position): (&i32, &i64)| RowPlace { file: *file as u32, position: *position as u64 };
    files.values().iter().zip(positions.values()).map(place).collect()
}

/// What a reader finds in staged files.
async fn staged_rows(base: &DeltaSnapshot, staged: &Staged) -> RecordBatch {
    let files = Arc::new(FileIndex::try_new(staged.adds.iter().map(data_file)).unwrap());
    read(ScanSource { files, ..base.source().await.unwrap() }, false).await
}

async fn append(snapshot: &dyn Snapshot, rows: RecordBatch) -> Arc<dyn Snapshot> {
    let mut append = snapshot.append().await.unwrap();
    append.write(rows).await.unwrap();
    match append.commit().await.unwrap() {
        CommitOutcome::Committed(snapshot) => snapshot,
        CommitOutcome::Conflict { reason } => panic!("{reason}"),
    }
}

/// A table of an `id` and random columns, in a few files.
async fn random_table(random: &mut Random, lake: &Lake) -> DeltaSnapshot {
    let mut fields = vec![Field::new("id", DataType::Int64, true)];
    for index in 0..2 + random.below(6) {
        let kind = KINDS[random.below(KINDS.len())];
        let name = format!("c{index}");
        fields.push(if random.one_in(2) { kind.field(&name, true) } else { data_type(random, &name, 2) });
    }
    fields.push(Field::new("p", DataType::Int64, true));
    let partition_columns = if random.one_in(2) { vec!["p".to_owned()] } else { vec![] };
    let schema = Arc::new(Schema::new(fields));
    let spec = TableSpec { schema: schema.clone(), partition_columns, description: None, checks: vec![] };
    let mut snapshot: Arc<dyn Snapshot> = DeltaFormat::default().create(&lake.location("t"), &spec).await.unwrap();
    let mut next = 0;
    for _ in 0..1 + random.below(3) {
        let rows = 1 + random.below(150) as i64;
        let columns = schema.fields().iter().map(|field| match field.name().as_str() {
            "id" => Arc::new(Int64Array::from_iter_values(next..next + rows)) as ArrayRef,
            "p" => Arc::new((0..rows).map(|row| (row % 4 != 3).then_some(row % 4)).collect::<Int64Array>()),
            _ => values(random, field, rows as usize),
        });
        snapshot = append(&*snapshot, RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()).await;
        next += rows;
    }
    newest(&lake.table("t")).await.unwrap()
}

/// As a reader sees it, rows in the order of `id` if their order is not kept.
fn seen(rows: &RecordBatch, is_ordered: bool) -> Vec<Vec<String>> {
    if is_ordered {
        return told(rows);
    }
    let order = arrow::compute::sort_to_indices(rows.column(0), None, None).unwrap();
    told(&take_record_batch(rows, &order).unwrap())
}

async fn check(seed: u64) {
    let mut random = Random(seed);
    let lake = Lake::new();
    let base = random_table(&mut random, &lake).await;
    let is_partitioned = !base.definition().schema().partition_columns.is_empty();
    let all = read(base.source().await.unwrap(), true).await;
    let (count, width) = (all.num_rows(), all.num_columns() - 1);
    let returning = random.one_in(3);

    let every = random.one_in(5);
    let mut set: Vec<usize> = (1..width).filter(|_| every || random.one_in(2)).collect();
    if set.is_empty() || every {
        set.insert(0, 0); // Its values stay, so that rows can be told apart.
    }
    for index in 0..set.len() {
        let other = random.below(set.len());
        set.swap(index, other);
    }
    let mut rows: Vec<u64> = (0..count as u64).filter(|_| !random.one_in(3)).collect();
    for index in 0..rows.len() {
        let other = if random.one_in(2) { index } else { random.below(rows.len()) };
        rows.swap(index, other);
    }
    let chosen = UInt64Array::from(rows.clone());
    let old = take_record_batch(&all, &chosen).unwrap();
    let places = places(&old);
    let mut expected = old.columns()[..width].to_vec();
    for index in &set {
        let field = base.schema().field(*index).clone();
        expected[*index] = match field.name().as_str() {
            "id" => take(all.column(0), &chosen, None).unwrap(),
            "p" => {
                Arc::new((0..rows.len() as i64).map(|row| (row % 3 != 0).then_some(row % 3)).collect::<Int64Array>())
            }
            _ => values(&mut random, &field, rows.len()),
        };
    }
    let expected = RecordBatch::try_new(base.schema(), expected).unwrap();
    let mut sent = set.clone();
    sent.rotate_left(random.below(set.len()));
    let values = expected.project(&sent).unwrap();

    let limits = if random.one_in(3) { Limits::default() } else { TINY };
    let mut new_rows = NewRows::begin_within(&base, &set, false, limits).await.unwrap();
    let mut done = 0;
    let mut answered = Vec::new();
    while done < rows.len() {
        let length = (1 + random.below(60)).min(rows.len() - done);
        let part = values.slice(done, length);
        answered.extend(
            new_rows
                .write(part, places[done..done + length].to_vec(), returning, None)
                .await
                .unwrap_or_else(|error| panic!("seed {seed}: {error:?}")),
        );
        done += length;
    }
    let staged = new_rows.finish(None).await.unwrap().finish().await.unwrap();
    let found = staged_rows(&base, &staged).await;
    assert_eq!(seen(&found, !is_partitioned), seen(&expected, !is_partitioned), "seed {seed}: SET {set:?}");
    if returning && !rows.is_empty() {
        let answered: Vec<_> = answered.iter().map(told).collect();
        let columns = (0..width).map(|column| answered.iter().flat_map(|batch| batch[column].clone()).collect());
        assert_eq!(columns.collect::<Vec<Vec<_>>>(), told(&expected), "seed {seed}: answers");
    }
    staged.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_rows_are_old_ones_but_for_what_is_set() {
    for seed in 0..60 {
        check(seed).await;
    }
}

/// `a BIGINT NOT NULL, b VARCHAR, g BIGINT GENERATED ALWAYS AS (a + 1), c BIGINT` with a CHECK on `c`.
async fn ruled(lake: &Lake, rows: Range<i64>) -> DeltaSnapshot {
    let mut a = field("a", json!("long"));
    a["nullable"] = json!(false);
    let generated = json!({ "delta.generationExpression": "a + 1" });
    let columns =
        json!([a, field("b", json!("string")), field_with("g", json!("long"), generated), field("c", json!("long"))]);
    let checks = json!({ "delta.constraints.positive": "c > 0" });
    let protocol = features(&[], &["checkConstraints", "generatedColumns", "invariants"]);
    lake.write("t", 0, &[protocol, metadata(&columns, &checks)]);
    let snapshot = newest(&lake.table("t")).await.unwrap();
    let numbers = |add: i64| -> ArrayRef { Arc::new(rows.clone().map(|n| n + add).collect::<Int64Array>()) };
    let texts: ArrayRef = Arc::new(rows.clone().map(|n| Some(format!("row {n}"))).collect::<StringArray>());
    let rows = batch(&[("a", numbers(0)), ("b", texts), ("g", numbers(1)), ("c", numbers(1))]);
    append(&snapshot, rows).await;
    newest(&lake.table("t")).await.unwrap()
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let columns: Vec<_> = columns.iter().map(|(_, array)| array.clone()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(columns_len(&columns)));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).unwrap()
}

fn columns_len(columns: &[ArrayRef]) -> usize {
    columns.first().map_or(0, |column| column.len())
}

fn numbers(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

fn at(positions: impl IntoIterator<Item = u64>) -> Vec<RowPlace> {
    positions.into_iter().map(|position| RowPlace { file: 0, position }).collect()
}

/// Column `index` of the new rows of one batch.
async fn new_column(base: &DeltaSnapshot, set: &[usize], values: RecordBatch, index: usize) -> Result<Vec<i64>> {
    let mut new_rows = NewRows::begin(base, set, false).await.unwrap();
    let places = at(0..values.num_rows() as u64);
    match new_rows.write(values, places, true, None).await {
        Ok(rows) => {
            let staged = new_rows.finish(None).await?.finish().await?;
            let found = staged_rows(base, &staged).await;
            assert_eq!(told(&rows.unwrap()), told(&found));
            staged.remove().await;
            Ok(found.column(index).as_primitive::<Int64Type>().values().to_vec())
        }
        Err(error) => {
            new_rows.abort().await;
            Err(error)
        }
    }
}

#[tokio::test]
async fn generated_columns_follow_and_are_held_to_what_they_follow_from() {
    let lake = Lake::new();
    let base = ruled(&lake, 10..20).await;
    let a = numbers(&[Some(100), Some(200)]);
    assert_eq!(new_column(&base, &[0], batch(&[("a", a.clone())]), 2).await.unwrap(), [101, 201]);
    assert_eq!(new_column(&base, &[3], batch(&[("c", a.clone())]), 2).await.unwrap(), [11, 12], "as they were");
    let right = batch(&[("g", numbers(&[Some(101), None])), ("a", a.clone())]);
    assert_eq!(new_column(&base, &[2, 0], right, 2).await.unwrap(), [101, 201]);
    // Set to itself, which is how DuckDB leaves it when it wants rows back.
    let itself = batch(&[("a", a.clone()), ("g", numbers(&[Some(11), Some(12)]))]);
    assert_eq!(new_column(&base, &[0, 2], itself, 2).await.unwrap(), [101, 201]);
    for wrong in [batch(&[("a", a.clone()), ("g", numbers(&[Some(101), Some(7)]))])] {
        let error = new_column(&base, &[0, 2], wrong, 2).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains("generated column 'g'")), "{error}");
    }
    let alone = new_column(&base, &[2], batch(&[("g", numbers(&[Some(99)]))]), 2).await.unwrap_err();
    assert!(alone.to_string().contains("generated column 'g' (a + 1) of table 't' is violated"), "{alone}");
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused() {
    let lake = Lake::new();
    let base = ruled(&lake, 10..20).await;
    for (set, values, part) in [
        (3, batch(&[("c", numbers(&[Some(1), Some(0)]))]), "CHECK constraint 'positive' (c > 0)"),
        (3, batch(&[("c", numbers(&[None]))]), "CHECK constraint 'positive' (c > 0)"),
        (0, batch(&[("a", numbers(&[Some(1), None]))]), "column 'a' of table 't' is NOT NULL"),
        (0, batch(&[("b", numbers(&[Some(1)]))]), "column \"b\" is not among those that are set"),
        (0, batch(&[("a", Arc::new(StringArray::from(vec!["1"])))]), "column \"a\" has type"),
        (1, batch(&[]), "column \"b\" is missing"),
    ] {
        let error = new_column(&base, &[set], values, 0).await.unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(text) if text.contains(part)), "{part}: {error}");
    }
    let none = NewRows::begin(&base, &[4], false).await.map(drop).unwrap_err();
    assert!(none.to_string().contains("there is no column 4; the table has 4"), "{none}");
}

/// The table's files outside of its log, those of directories counted.
fn data_files(lake: &Lake) -> usize {
    fn count(directory: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let entries = entries.filter(|path| !path.ends_with("_delta_log"));
        entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
    }
    count(&lake.path("t"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_leaves_nothing_behind() {
    let lake = Lake::new();
    let base = ruled(&lake, 0..200_000).await;
    let files = data_files(&lake);
    for (returning, gives_up) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut new_rows = NewRows::begin(&base, &[3], false).await.unwrap();
        // Enough that files are begun.
        for start in (0..198_000).step_by(2000) {
            let values = batch(&[("c", Arc::new(Int64Array::from_iter_values(start + 1..start + 2001)))]);
            let places = at(start as u64..start as u64 + 2000);
            new_rows.write(values, places, returning, None).await.unwrap();
        }
        if !gives_up {
            let values = batch(&[("c", numbers(&[Some(-1)]))]);
            let places = vec![RowPlace { file: 0, position: 199_999 }];
            let error = match new_rows.write(values, places, returning, None).await {
                Ok(_) => new_rows.finish(None).await.map(drop).unwrap_err(),
                Err(error) => {
                    let again = new_rows.write(batch(&[("c", numbers(&[]))]), vec![], returning, None).await;
                    let again = again.unwrap_err().to_string();
                    assert!(again.contains("has failed before and takes nothing more"), "{again}");
                    new_rows.abort().await;
                    error
                }
            };
            assert!(error.to_string().contains("'positive'"), "{error}");
        } else if returning {
            new_rows.abort().await;
        } else {
            drop(new_rows);
        }
        while data_files(&lake) > files {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn nothing_is_fetched_where_everything_is_set() {
    let lake = Lake::new();
    let base = ruled(&lake, 0..10).await;
    let columns = |set: &[usize], feed: bool| {
        let rules = base.definition().rules("t").unwrap();
        Columns::new(&base.schema(), set, &rules, feed).unwrap().fetched
    };
    assert_eq!(columns(&[3, 1, 0], false), [0; 0]);
    assert_eq!(columns(&[3, 1, 0, 2], false), [2], "whether it is set to itself");
    assert_eq!(columns(&[1], false), [0, 3]);
    assert_eq!(columns(&[3, 1, 0], true), [0, 1, 2, 3], "the feed wants old rows");
}

#[tokio::test]
async fn rows_move_to_the_partition_they_are_set_to() {
    let lake = Lake::new();
    let schema =
        Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("p", DataType::Utf8, true)]));
    let spec = TableSpec {
        schema: schema.clone(),
        partition_columns: vec!["p".to_owned()],
        description: None,
        checks: vec![],
    };
    let snapshot = DeltaFormat::default().create(&lake.location("t"), &spec).await.unwrap();
    let p: ArrayRef = Arc::new(StringArray::from(vec!["x"; 3]));
    append(&*snapshot, batch(&[("a", numbers(&[Some(1), Some(2), Some(3)])), ("p", p)])).await;
    let base = newest(&lake.table("t")).await.unwrap();
    let mut new_rows = NewRows::begin(&base, &[1], false).await.unwrap();
    let values = batch(&[("p", Arc::new(StringArray::from(vec![Some("y"), None, Some("x")])))]);
    new_rows.write(values, at([2, 0, 1]), false, None).await.unwrap();
    let staged = new_rows.finish(None).await.unwrap().finish().await.unwrap();
    let mut found: Vec<_> = staged.adds.iter().map(|add| add.partition_values["p"].clone()).collect();
    found.sort();
    assert_eq!(found, [None, Some("x".to_owned()), Some("y".to_owned())]);
    let rows = staged_rows(&base, &staged).await;
    assert_eq!(seen(&rows, false)[0].len(), 3);
    staged.remove().await;
}

/// Column `index` of all rows of the newest version, sorted.
async fn newest_column(lake: &Lake, index: usize) -> Vec<Option<i64>> {
    let rows = read(newest(&lake.table("t")).await.unwrap().source().await.unwrap(), false).await;
    let mut values: Vec<_> = rows.column(index).as_primitive::<Int64Type>().iter().collect();
    values.sort_unstable();
    values
}

/// Sets `set` to what `value` makes of each row's `id`, in small batches, for the rows that it makes something of.
async fn updated(
    base: &DeltaSnapshot,
    set: usize,
    returning: bool,
    value: impl Fn(i64) -> Option<i64>,
) -> Result<CommitOutcome> {
    let all = read(base.source().await.unwrap(), true).await;
    let ids = all.column(0).as_primitive::<Int64Type>();
    let chosen: UInt64Array =
        (0..all.num_rows()).filter(|row| value(ids.value(*row)).is_some()).map(|row| row as u64).collect();
    let rows = take_record_batch(&all, &chosen).unwrap();
    let values: Int64Array = rows.column(0).as_primitive::<Int64Type>().iter().map(|id| value(id.unwrap())).collect();
    let sent = batch(&[
        (base.schema().field(set).name(), Arc::new(values)),
        ("rowid", rows.columns().last().unwrap().clone()),
    ]);
    let request = ChangeRequest { kind: ChangeKind::Update(vec![set]), returning };
    let mut change = base.change(&request).await?;
    for start in (0..sent.num_rows()).step_by(700) {
        let answer = change.write(sent.slice(start, 700.min(sent.num_rows() - start))).await?;
        assert_eq!(answer.is_some(), returning);
    }
    change.commit().await
}

/// `id BIGINT, v BIGINT, t VARCHAR`, in two files.
async fn plain(lake: &Lake, protocol: Value, configuration: &Value) -> DeltaSnapshot {
    let columns = json!([field("id", json!("long")), field("v", json!("long")), field("t", json!("string"))]);
    lake.write("t", 0, &[protocol, metadata(&columns, configuration)]);
    let mut snapshot: Arc<dyn Snapshot> = Arc::new(newest(&lake.table("t")).await.unwrap());
    for range in [0..3000, 3000..5000] {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(range.clone()));
        let texts: ArrayRef = Arc::new(range.map(|n| Some(format!("row {n}"))).collect::<StringArray>());
        snapshot = append(&*snapshot, batch(&[("id", ids.clone()), ("v", ids), ("t", texts)])).await;
    }
    newest(&lake.table("t")).await.unwrap()
}

#[tokio::test]
async fn statements_change_just_their_rows_with_vectors_and_without() {
    let vectors = json!({ "delta.enableDeletionVectors": "true" });
    let with_vectors = features(&["deletionVectors"], &["deletionVectors"]);
    for (protocol, configuration) in [(with_vectors, vectors), (features(&[], &[]), json!({}))] {
        for returning in [false, true] {
            let lake = Lake::new();
            let base = plain(&lake, protocol.clone(), &configuration).await;
            let outcome = updated(&base, 1, returning, |id| (id % 7 == 0).then_some(-id)).await.unwrap();
            assert!(matches!(outcome, CommitOutcome::Committed(_)), "{outcome:?}");
            let base = newest(&lake.table("t")).await.unwrap();
            updated(&base, 1, returning, |id| (id % 14 == 0).then_some(10_000)).await.unwrap();
            let mut expected: Vec<_> = (0..5000)
                .map(|id| {
                    Some(if id % 14 == 0 {
                        10_000
                    } else if id % 7 == 0 {
                        -id
                    } else {
                        id
                    })
                })
                .collect();
            expected.sort_unstable();
            assert_eq!(newest_column(&lake, 1).await, expected, "{configuration}");
            assert_eq!(newest_column(&lake, 0).await, (0..5000).map(Some).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn the_feed_has_rows_as_they_were_and_as_they_are() {
    for returning in [false, true] {
        let lake = Lake::new();
        let configuration = json!({ "delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "true" });
        let protocol = features(&["deletionVectors"], &["deletionVectors", "changeDataFeed"]);
        let base = plain(&lake, protocol, &configuration).await;
        updated(&base, 1, returning, |id| (id % 3 == 0).then_some(-id)).await.unwrap();
        let commit = std::fs::read_to_string(lake.commit_path("t", 3)).unwrap();
        let actions = commit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut changes = Vec::new();
        for cdc in actions.filter_map(|action| action.get("cdc").cloned()) {
            let file = std::fs::File::open(lake.path("t").join(cdc["path"].as_str().unwrap())).unwrap();
            for rows in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
                let rows = rows.unwrap();
                let number = |index: usize| rows.column(index).as_primitive::<Int64Type>();
                let (texts, kinds) = (rows.column(2).as_string::<i32>(), rows.column(3).as_string::<i32>());
                changes.extend((0..rows.num_rows()).map(|row| {
                    assert_eq!(texts.value(row), format!("row {}", number(0).value(row)));
                    (number(0).value(row), number(1).value(row), kinds.value(row).to_owned())
                }));
            }
        }
        changes.sort();
        let expected = (0..5000).filter(|id| id % 3 == 0).flat_map(|id| {
            let mut both = [(id, id, "update_preimage".to_owned()), (id, -id, "update_postimage".to_owned())];
            both.sort();
            both
        });
        assert_eq!(changes, expected.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_statement_of_no_rows_commits_nothing() {
    let lake = Lake::new();
    let base = plain(&lake, features(&[], &[]), &json!({})).await;
    let outcome = updated(&base, 1, false, |_| None).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed(snapshot) if snapshot.version() == base.version()));
}
