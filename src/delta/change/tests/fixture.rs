//! A table with real data files, and statements that change it.

use std::{collections::BTreeMap, num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef},
};
use futures::TryStreamExt;
use serde_json::Value;

use crate::{
    delta::{
        create,
        file::DataFile,
        fixtures::{Lake, newest},
        snapshot::DeltaSnapshot,
        table::DeltaTable,
    },
    engine::{
        Change, ChangeKind, ChangeRequest, CommitOutcome, Error, Predicate, Result, RowId, ScanRequest, Snapshot,
        TableSpec, row_id_field,
    },
};

/// A table `t` of columns `id` and `part`, which may be partitioned by the latter.
pub(super) struct Table {
    pub(super) lake: Lake,
    pub(super) table: Arc<DeltaTable>,
}

pub(super) const DELETE: ChangeRequest = ChangeRequest { kind: ChangeKind::Delete, returning: false };

pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("part", DataType::Utf8, true)]))
}

impl Table {
    pub(super) async fn new() -> Self {
        Self::partitioned(&[]).await
    }

    pub(super) async fn partitioned(columns: &[&str]) -> Self {
        let lake = Lake::new();
        let table = lake.table("t");
        let partition_columns = columns.iter().map(|&column| column.to_owned()).collect();
        let spec = TableSpec { schema: schema(), partition_columns, description: None, checks: vec![] };
        create::create(table.store(), table.log(), &spec, true).await.unwrap();
        Self { lake, table }
    }

    /// The same table as another process has it.
    pub(super) fn elsewhere(&self) -> Arc<DeltaTable> {
        self.lake.table("t")
    }

    pub(super) async fn newest(&self) -> DeltaSnapshot {
        newest(&self.table).await.unwrap()
    }

    /// Appends ids, in the partition `part`, as one file.
    pub(super) async fn append(&self, part: &str, ids: impl IntoIterator<Item = i64>) -> DeltaSnapshot {
        let mut append = self.newest().await.append().await.unwrap();
        let ids = Int64Array::from_iter_values(ids);
        let parts = StringArray::from_iter_values(std::iter::repeat_n(part, ids.len()));
        append.write(RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(parts)]).unwrap()).await.unwrap();
        committed(append.commit().await);
        self.newest().await
    }

    /// Deletes rows of the newest version.
    pub(super) async fn delete(&self, ids: impl Fn(i64) -> bool) -> Result<CommitOutcome> {
        delete_where(&self.newest().await, ids).await
    }

    /// The ids of all rows, sorted.
    pub(super) async fn ids(&self) -> Vec<i64> {
        ids(&self.newest().await).await
    }

    /// The actions of a version.
    pub(super) fn commit(&self, version: u64) -> Vec<Value> {
        let text = std::fs::read_to_string(self.lake.commit_path("t", version)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The files below the table's root that are no part of its log, as paths.
    pub(super) fn files_on_disk(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.lake.path("t"), "", &mut found);
        found.sort();
        found
    }

    pub(super) fn vectors_on_disk(&self) -> Vec<String> {
        self.files_on_disk().into_iter().filter(|name| name.contains("deletion_vector_")).collect()
    }
}

fn collect(directory: &std::path::Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true if name == "_delta_log" => {}
            true => collect(&entry.path(), &format!("{name}/"), found),
            false => found.push(name),
        }
    }
}

/// The row ids of rows of a version, by what they have as `id`.
pub(super) async fn row_ids(snapshot: &DeltaSnapshot) -> BTreeMap<i64, RowId> {
    let request = ScanRequest { projection: vec![0], row_id: true, predicate: Predicate::Unknown };
    let mut found = BTreeMap::new();
    for part in snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap().parts {
        let mut batches = snapshot.read(&request, &part).await.unwrap();
        while let Some(batch) = batches.try_next().await.unwrap() {
            let (ids, rows) = (batch.rows.column(0).as_primitive::<Int64Type>(), batch.rows.column(1).as_struct());
            for row in 0..ids.len() {
                let row_id = RowId {
                    version: rows.column(0).as_primitive::<Int64Type>().value(row),
                    file: rows.column(1).as_primitive::<Int32Type>().value(row),
                    position: rows.column(2).as_primitive::<Int64Type>().value(row),
                };
                assert_eq!(found.insert(ids.value(row), row_id), None, "ids are unique");
            }
        }
    }
    found
}

pub(super) async fn ids(snapshot: &DeltaSnapshot) -> Vec<i64> {
    row_ids(snapshot).await.into_keys().collect()
}

/// Row ids as the client sends them.
pub(super) fn array(row_ids: &[RowId]) -> ArrayRef {
    let column = |value: fn(&RowId) -> i64| Int64Array::from_iter_values(row_ids.iter().map(value));
    let files = Int32Array::from_iter_values(row_ids.iter().map(|row_id| row_id.file));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(column(|row_id| row_id.version)), Arc::new(files), Arc::new(column(|row_id| row_id.position))];
    Arc::new(StructArray::new(RowId::fields(), columns, None))
}

pub(super) fn batch(row_ids: ArrayRef) -> RecordBatch {
    RecordBatch::try_new(Arc::new(Schema::new(vec![row_id_field()])), vec![row_ids]).unwrap()
}

/// A DELETE of rows that has not been committed.
pub(super) async fn begun(base: &DeltaSnapshot, row_ids: &[RowId]) -> Result<Box<dyn Change>> {
    let mut change = base.change(&DELETE).await?;
    assert!(change.write(batch(array(row_ids))).await?.is_none());
    Ok(change)
}

pub(super) async fn delete_where(base: &DeltaSnapshot, wanted: impl Fn(i64) -> bool) -> Result<CommitOutcome> {
    let rows: Vec<_> = row_ids(base).await.into_iter().filter(|(id, _)| wanted(*id)).map(|(_, row)| row).collect();
    begun(base, &rows).await?.commit().await
}

pub(super) fn committed(outcome: Result<CommitOutcome>) -> Arc<dyn Snapshot> {
    match outcome {
        Ok(CommitOutcome::Committed(snapshot)) => snapshot,
        other => panic!("{other:?}"),
    }
}

pub(super) fn conflict_of(outcome: Result<CommitOutcome>) -> String {
    match outcome {
        Ok(CommitOutcome::Conflict { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

pub(super) fn refused(outcome: Result<impl Sized>) -> Error {
    outcome.err().expect("a refusal")
}

/// The one live file of a version.
pub(super) async fn only_file(snapshot: &DeltaSnapshot) -> DataFile {
    let files = crate::delta::fixtures::files(snapshot).await;
    let [file] = &files[..] else { panic!("{files:?}") };
    file.clone()
}
