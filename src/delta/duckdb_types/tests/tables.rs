//! Tables of all types, written and read back.

use std::{num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, new_null_array},
    compute::concat_batches,
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use futures::TryStreamExt;
use serde_json::Value;

use super::data::{KINDS, Random, data_type, values};
use crate::{
    delta::{DeltaFormat, fixtures::Lake},
    engine::{CommitOutcome, Predicate, Result, ScanRequest, Snapshot, TableFormat, TableSpec},
};

pub(super) async fn created(lake: &Lake, name: &str, fields: Vec<Field>, partitions: &[&str]) -> Arc<dyn Snapshot> {
    let schema = Arc::new(Schema::new(fields));
    let spec = TableSpec {
        schema: Arc::clone(&schema),
        partition_columns: partitions.iter().map(|name| (*name).to_owned()).collect(),
        description: None,
        checks: vec![],
    };
    let snapshot = DeltaFormat::default().create(&lake.location(name), &spec).await.unwrap();
    assert_eq!(snapshot.schema(), schema);
    snapshot
}

pub(super) async fn appended(snapshot: &Arc<dyn Snapshot>, batches: &[RecordBatch]) -> Arc<dyn Snapshot> {
    let mut append = snapshot.append().await.unwrap();
    for batch in batches {
        assert_eq!(&append.write(batch.clone()).await.unwrap(), batch);
    }
    match append.commit().await.unwrap() {
        CommitOutcome::Committed(snapshot) => snapshot,
        CommitOutcome::Conflict { reason } => panic!("{reason}"),
    }
}

pub(super) async fn all_rows(snapshot: &Arc<dyn Snapshot>, predicate: Predicate) -> RecordBatch {
    rows(snapshot, (0..snapshot.schema().fields().len()).collect(), predicate).await.unwrap()
}

pub(super) async fn rows(
    snapshot: &Arc<dyn Snapshot>,
    projection: Vec<usize>,
    predicate: Predicate,
) -> Result<RecordBatch> {
    let schema = Arc::new(snapshot.schema().project(&projection).unwrap());
    let request = ScanRequest { projection, row_id: false, predicate };
    let plan = snapshot.plan(&request, NonZeroUsize::MIN).await?;
    let mut batches = Vec::new();
    for part in &plan.parts {
        let part: Vec<_> = snapshot.read(&request, part).await?.try_collect().await?;
        batches.extend(part.into_iter().map(|batch| batch.rows));
    }
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// What a reader sees of each column: what lies below a NULL is not seen.
pub(crate) fn told(batch: &RecordBatch) -> Vec<Vec<String>> {
    let rows = |column: &ArrayRef| (0..column.len()).map(|row| cell(column, row)).collect();
    batch.columns().iter().map(rows).collect()
}

fn cell(array: &dyn Array, row: usize) -> String {
    if array.is_null(row) {
        return "NULL".to_owned();
    }
    let all = |array: &dyn Array| (0..array.len()).map(|row| cell(array, row)).collect::<Vec<_>>().join(", ");
    match array.data_type() {
        DataType::List(_) => format!("[{}]", all(&array.as_list::<i32>().value(row))),
        DataType::FixedSizeList(..) => format!("[{}]", all(&array.as_fixed_size_list().value(row))),
        DataType::Map(..) => format!("{{{}}}", all(&array.as_map().value(row))),
        DataType::Struct(_) => {
            let fields = array.as_struct().columns().iter().map(|column| cell(column, row));
            format!("({})", fields.collect::<Vec<_>>().join(", "))
        }
        _ => format!("{:?}", array.slice(row, 1)),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_comes_back_exactly() {
    let lake = Lake::new();
    let mut random = Random(1);
    let fields: Vec<Field> =
        KINDS.iter().enumerate().map(|(at, kind)| kind.field(&format!("c{at}"), at % 3 > 0)).collect();
    let list = |field: &Field| DataType::List(Arc::new(field.clone().with_name("element")));
    let lists = fields.iter().map(|field| Field::new(format!("{}s", field.name()), list(field), true));
    let fields: Vec<Field> = fields.iter().cloned().chain(lists).collect();
    let snapshot = created(&lake, "t", fields, &[]).await;
    let columns: Vec<ArrayRef> =
        snapshot.schema().fields().iter().map(|field| values(&mut random, field, 200)).collect();
    let batch = RecordBatch::try_new(snapshot.schema(), columns).unwrap();
    let snapshot = appended(&snapshot, &[batch.slice(0, 120), batch.slice(120, 80)]).await;
    let read = all_rows(&snapshot, Predicate::Unknown).await;
    assert_eq!(read, batch);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_tables_come_back_exactly() {
    for seed in 0..40 {
        let lake = Lake::new();
        let mut random = Random(seed);
        let count = 1 + random.below(5);
        // A space in a name turns column mapping on.
        let between = if random.one_in(3) { " " } else { "" };
        let fields = (0..count).map(|at| data_type(&mut random, &format!("c{between}{at}"), 3)).collect();
        let snapshot = created(&lake, "t", fields, &[]).await;
        let columns = snapshot.schema().fields().iter().map(|field| values(&mut random, field, 50)).collect();
        let batch = RecordBatch::try_new(snapshot.schema(), columns).unwrap();
        let slices = [batch.slice(0, 7), batch.slice(7, 0), batch.slice(7, 43)];
        let snapshot = appended(&snapshot, &slices).await;
        let read = all_rows(&snapshot, Predicate::Unknown).await;
        assert_eq!(told(&read), told(&batch), "seed {seed}: {}", snapshot.schema());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_can_partition_a_table() {
    for (at, kind) in KINDS.iter().enumerate() {
        let lake = Lake::new();
        let mut random = Random(at as u64);
        let fields = vec![kind.field("p", true), Field::new("x", DataType::Int64, true)];
        let snapshot = created(&lake, "t", fields, &["p"]).await;
        let schema = snapshot.schema();
        // Dates and timestamps that no partition can hold are refused elsewhere.
        let partition = values(&mut random, schema.field(0), 8);
        let number = values(&mut random, schema.field(1), 8);
        for row in 0..8 {
            let columns = vec![partition.slice(row, 1), number.slice(row, 1)];
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
            let mut append = snapshot.append().await.unwrap();
            append.write(batch.clone()).await.unwrap();
            let Ok(CommitOutcome::Committed(snapshot)) = append.commit().await else { continue };
            let read = all_rows(&snapshot, Predicate::Unknown).await;
            let rows = (0..read.num_rows()).map(|row| read.slice(row, 1));
            assert!(rows.into_iter().any(|row| row == batch), "{kind}: {batch:?}");
        }
    }
}

#[tokio::test]
async fn the_log_names_types_where_delta_has_metadata() {
    let lake = Lake::new();
    let element = |data_type: Field| Arc::new(data_type.with_name("element"));
    let kind = |name: &str| super::of_kind(name);
    let inner = vec![kind("UUID").with_name("id"), Field::new("n", DataType::Int64, true)];
    let structs = DataType::List(element(Field::new("x", DataType::Struct(inner.into()), true)));
    let arrays = DataType::FixedSizeList(element(kind("UTINYINT")), 3);
    let lists = DataType::List(element(Field::new("x", arrays, true)));
    let map = crate::delta::schema::map_type(
        kind("UUID").with_name("key").with_nullable(false),
        kind("INTERVAL").with_name("value"),
    );
    let fields = vec![
        Field::new("plain", DataType::Utf8, true),
        kind("HUGEINT").with_name("huge"),
        Field::new("lists", lists, true),
        Field::new("map", map, true),
        Field::new("structs", structs, true),
    ];
    created(&lake, "t", fields, &[]).await;
    let commit = std::fs::read_to_string(lake.commit_path("t", 0)).unwrap();
    let metadata: Value = serde_json::from_str(commit.lines().nth(2).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(metadata["metaData"]["schemaString"].as_str().unwrap()).unwrap();
    let declared = |field: &Value| field["metadata"].get("duckdb.type").cloned().unwrap_or_default();
    let found: Vec<_> = schema["fields"].as_array().unwrap().iter().map(declared).collect();
    assert_eq!(
        found,
        [Value::Null, "HUGEINT".into(), "UTINYINT[3][]".into(), "MAP(UUID, INTERVAL)".into(), Value::Null]
    );
    let inner = &schema["fields"][4]["type"]["elementType"]["fields"];
    assert_eq!((declared(&inner[0]), declared(&inner[1])), ("UUID".into(), Value::Null));
    assert_eq!(schema["fields"][1]["type"], "string");
}

/// An array of fixed length takes its room in memory even where it is NULL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_of_long_arrays_stay_small() {
    let lake = Lake::new();
    let element = Arc::new(Field::new("element", DataType::UInt8, true));
    let array = Field::new("a", DataType::FixedSizeList(element, 100_000), true);
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int64, true), array]));
    let snapshot = created(&lake, "t", schema.fields().iter().map(|field| field.as_ref().clone()).collect(), &[]).await;
    let columns: Vec<ArrayRef> = schema.fields().iter().map(|field| new_null_array(field.data_type(), 300)).collect();
    let snapshot = appended(&snapshot, &[RecordBatch::try_new(schema, columns).unwrap()]).await;
    for (projection, most) in [(vec![0, 1], 100), (vec![0], 300)] {
        let request = ScanRequest { projection, row_id: false, predicate: Predicate::Unknown };
        let plan = snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap();
        let read = snapshot.read(&request, &plan.parts[0]).await.unwrap();
        let batches: Vec<_> = read.try_collect().await.unwrap();
        assert_eq!(batches.iter().map(|batch| batch.rows.num_rows()).sum::<usize>(), 300);
        let largest = batches.iter().map(|batch| batch.rows.num_rows()).max().unwrap();
        assert!(largest <= most && largest >= most / 5, "{largest} rows");
    }
}
