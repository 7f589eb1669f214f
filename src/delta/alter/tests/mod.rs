mod metadata;
mod races;
mod types;

use std::{num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    util::display::array_value_to_string,
};
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use serde_json::Value;

use super::{Rows, alter, plan, rewrite};
use crate::{
    delta::{DeltaFormat, fixtures::Lake, snapshot::DeltaSnapshot, table::DeltaTable},
    engine::{Alteration, CommitOutcome, Error, Predicate, Result, ScanRequest, Snapshot, TableFormat, TableSpec},
};

/// `id BIGINT, name VARCHAR` with the rows 1 a, 2 NULL, 3 c, in two files; another process's view of it.
async fn people(lake: &Lake) -> Arc<DeltaTable> {
    made(lake, &[]).await
}

async fn made(lake: &Lake, partition_columns: &[&str]) -> Arc<DeltaTable> {
    let partition_columns = partition_columns.iter().map(|&name| name.to_owned()).collect();
    let spec = TableSpec { schema: columns(), partition_columns, description: None, checks: vec![] };
    DeltaFormat::default().create(&lake.location("t"), &spec).await.unwrap();
    let table = lake.table("t");
    insert(&table, &[(1, Some("a")), (2, None)]).await;
    insert(&table, &[(3, Some("c"))]).await;
    table
}

fn columns() -> Arc<Schema> {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("name", DataType::Utf8, true)]))
}

fn batch(schema: &Arc<Schema>, rows: &[(i64, Option<&str>)]) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
    let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)));
    RecordBatch::try_new(schema.clone(), vec![ids, names]).unwrap()
}

/// Appends to the first two columns, whatever they are called.
async fn insert(table: &Arc<DeltaTable>, rows: &[(i64, Option<&str>)]) -> Arc<dyn Snapshot> {
    let snapshot = newest(table).await;
    let mut append = snapshot.append().await.unwrap();
    append.write(batch(&snapshot.schema(), rows)).await.unwrap();
    match append.commit().await.unwrap() {
        CommitOutcome::Committed(snapshot) => snapshot,
        CommitOutcome::Conflict { reason } => panic!("{reason}"),
    }
}

async fn newest(table: &Arc<DeltaTable>) -> DeltaSnapshot {
    DeltaSnapshot::new(table.clone(), table.newest().await.unwrap())
}

async fn altered(table: &Arc<DeltaTable>, change: Alteration) -> Arc<dyn Snapshot> {
    alter(table, &change).await.unwrap_or_else(|error| panic!("{change:?}: {error}"))
}

async fn refused(table: &Arc<DeltaTable>, change: Alteration) -> Error {
    let before = newest(table).await.version();
    let error = alter(table, &change).await.expect_err("it must be refused");
    assert_eq!(newest(table).await.version(), before, "nothing was changed");
    error
}

/// All rows as text, sorted: `1 a`.
async fn rows(snapshot: &dyn Snapshot) -> Vec<String> {
    let width = snapshot.schema().fields().len();
    let request = ScanRequest { projection: (0..width).collect(), row_id: false, predicate: Predicate::Unknown };
    let mut found = Vec::new();
    for part in snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap().parts {
        let mut batches = snapshot.read(&request, &part).await.unwrap();
        while let Some(batch) = batches.try_next().await.unwrap() {
            for row in 0..batch.rows.num_rows() {
                let value = |column: &ArrayRef| match column.is_null(row) {
                    true => "NULL".to_owned(),
                    false => array_value_to_string(column, row).unwrap(),
                };
                found.push(batch.rows.columns().iter().map(value).collect::<Vec<_>>().join(" "));
            }
        }
    }
    found.sort();
    found
}

fn commit(lake: &Lake, version: u64) -> Vec<Value> {
    let text = std::fs::read_to_string(lake.commit_path("t", version)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The kinds of a commit's actions, in order.
fn kinds(actions: &[Value]) -> Vec<String> {
    actions.iter().flat_map(|action| action.as_object().unwrap().keys().cloned()).collect()
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn add(name: &str) -> Alteration {
    Alteration::AddColumn { field: long(name), if_not_exists: false }
}

fn rename(column: &str, new_name: &str) -> Alteration {
    Alteration::RenameColumn { path: vec![column.to_owned()], new_name: new_name.to_owned() }
}

fn drop_column(column: &str) -> Alteration {
    Alteration::DropColumn { path: vec![column.to_owned()], if_exists: false }
}

fn not_null(column: &str) -> Alteration {
    Alteration::SetNotNull { column: column.to_owned() }
}

/// The Adds of a commit.
fn adds(actions: &[Value]) -> Vec<Add> {
    actions.iter().filter_map(|action| serde_json::from_value(action.get("add")?.clone()).ok()).collect()
}
