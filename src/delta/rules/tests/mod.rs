//! Rules from logs written by hand, and from statements, against rows that keep and break them.

mod defaults;
mod foreign;
mod new;
mod property;

use std::{fs, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use serde_json::{Value, json};

use crate::{
    delta::{
        fixtures::{Lake, features, field, field_with, metadata, newest},
        snapshot::DeltaSnapshot,
    },
    engine::{CommitOutcome, Error, Result, Snapshot, TableSpec},
};

/// A table of `a BIGINT, b VARCHAR` with CHECK constraints, as a writer of any kind leaves it.
fn with_checks(lake: &Lake, checks: &[(&str, &str)]) {
    let columns = json!([field("a", json!("long")), field("b", json!("string"))]);
    let properties = checks.iter().map(|(name, sql)| (format!("delta.constraints.{name}"), json!(sql)));
    let properties = Value::Object(properties.collect());
    lake.write("t", 0, &[features(&[], &["checkConstraints"]), metadata(&columns, &properties)]);
}

/// Rows of `a BIGINT, b VARCHAR`.
fn rows(rows: &[(Option<i64>, Option<&str>)]) -> RecordBatch {
    batch(vec![
        ("a", Arc::new(rows.iter().map(|(a, _)| *a).collect::<Int64Array>())),
        ("b", Arc::new(rows.iter().map(|(_, b)| *b).collect::<StringArray>())),
    ])
}

/// Nullable columns, as DuckDB sends them.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

async fn snapshot(lake: &Lake) -> DeltaSnapshot {
    newest(&lake.table("t")).await.unwrap()
}

/// Appends the rows as one statement, and answers with what was written.
async fn append(snapshot: &DeltaSnapshot, rows: RecordBatch) -> Result<RecordBatch> {
    let mut append = snapshot.append().await?;
    let written = match append.write(rows).await {
        Ok(written) => written,
        Err(error) => {
            append.abort().await;
            return Err(error);
        }
    };
    assert!(matches!(append.commit().await?, CommitOutcome::Committed(_)));
    Ok(written)
}

/// Fails unless the rows are refused for a rule, and the text has all of `parts`.
#[track_caller]
fn assert_violated(outcome: &Result<RecordBatch>, parts: &[&str]) {
    let Err(Error::InvalidArgument(text)) = outcome else { panic!("{outcome:?}") };
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} lacks one of {parts:?}");
}

/// Fails unless writing is refused, and the text has all of `parts`.
#[track_caller]
fn assert_unsupported<T: std::fmt::Debug>(outcome: &Result<T>, parts: &[&str]) {
    let Err(Error::Unsupported(text)) = outcome else { panic!("{outcome:?}") };
    assert!(parts.iter().all(|part| text.contains(part)), "{text:?} lacks one of {parts:?}");
}

/// The table's files outside of its log.
fn data_files(lake: &Lake) -> Vec<String> {
    let entries = fs::read_dir(lake.path("t")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| name != "_delta_log" && name != "_deltaport").collect()
}
