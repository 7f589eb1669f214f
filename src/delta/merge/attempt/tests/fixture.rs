//! A table, and a MERGE by key that stands in for what plans do: what it makes of a version is real, and between that
//! and its commit others can be let in.

use std::{
    collections::BTreeMap,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    compute::take,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use futures::TryStreamExt;
use std::num::NonZeroUsize;

use super::super::*;
use crate::{
    delta::{
        change::{ChangedRows, stage_survivors},
        create,
        fixtures::{Lake, newest},
        table::DeltaTable,
        write::Stage,
    },
    engine::{ChangeKind, ChangeRequest, CommitOutcome, Predicate, Scalar, ScanRequest, Snapshot, TableSpec},
};

/// A table `t` of columns `id`, `value` and `part`.
pub(super) struct Table {
    pub(super) lake: Lake,
    pub(super) table: Arc<DeltaTable>,
}

pub(super) fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    let texts = ["value", "part"].map(|name| field(name, DataType::Utf8));
    Arc::new(Schema::new([vec![field("id", DataType::Int64)], texts.to_vec()].concat()))
}

pub(super) fn spec(partition_columns: &[&str]) -> TableSpec {
    let partition_columns = partition_columns.iter().map(|&column| column.to_owned()).collect();
    TableSpec { schema: schema(), partition_columns, description: None, checks: vec![] }
}

impl Table {
    pub(super) async fn new() -> Self {
        Self::of(&[], true).await
    }

    pub(super) async fn of(partition_columns: &[&str], vectors: bool) -> Self {
        let lake = Lake::new();
        let table = lake.table("t");
        create::create(table.store(), table.log(), &spec(partition_columns), vectors).await.unwrap();
        Self { lake, table }
    }

    /// The same table as another process has it.
    pub(super) fn elsewhere(&self) -> Arc<DeltaTable> {
        self.lake.table("t")
    }

    pub(super) async fn newest(&self) -> DeltaSnapshot {
        newest(&self.table).await.unwrap()
    }

    /// The actions of a version.
    pub(super) fn commit(&self, version: u64) -> Vec<Value> {
        let text = std::fs::read_to_string(self.lake.commit_path("t", version)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The Add of the only file of a version, as its log has it.
    pub(super) fn added(&self, version: u64) -> Value {
        self.commit(version).into_iter().find_map(|mut action| Some(action.get_mut("add")?.take())).unwrap()
    }

    /// The files below the table's root that are neither of its log nor of the newest version.
    pub(super) async fn strays(&self) -> Vec<String> {
        let live = newest(&self.elsewhere()).await.unwrap();
        let mut kept: Vec<String> = Vec::new();
        for file in crate::delta::fixtures::files(&live).await {
            kept.push(file.path.to_string());
        }
        let mut found = Vec::new();
        collect(&self.lake.path("t"), "", &mut found);
        let referred = (0..=live.version())
            .map(|version| std::fs::read_to_string(self.lake.commit_path("t", version)).unwrap_or_default());
        let log: String = referred.collect();
        found.retain(|name| !kept.contains(name) && !log.contains(name.as_str()) && !name.ends_with(".bin"));
        found
    }

    /// Waits until what was dropped has been removed.
    pub(super) async fn no_strays(&self) {
        while !self.strays().await.is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

fn collect(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true if name == "_delta_log" => {}
            true => collect(&entry.path(), &format!("{name}/"), found),
            false => found.push(name),
        }
    }
}

pub(super) fn rows(part: &str, ids: impl IntoIterator<Item = i64>, value: &str) -> RecordBatch {
    let ids = Int64Array::from_iter_values(ids);
    let texts = |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, ids.len()))) as ArrayRef;
    let (values, parts) = (texts(value), texts(part));
    RecordBatch::try_new(schema(), vec![Arc::new(ids), values, parts]).unwrap()
}

pub(super) async fn insert(table: &Arc<DeltaTable>, part: &str, ids: impl IntoIterator<Item = i64>) {
    let mut append = newest(table).await.unwrap().append().await.unwrap();
    append.write(rows(part, ids, "inserted")).await.unwrap();
    assert!(matches!(append.commit().await, Ok(CommitOutcome::Committed(_))));
}

pub(super) async fn delete(table: &Arc<DeltaTable>, wanted: impl Fn(i64) -> bool) {
    let base = newest(table).await.unwrap();
    let (batch, _) = scanned(&base).await;
    let chosen = places(&batch, wanted);
    let mut change = base.change(&ChangeRequest { kind: ChangeKind::Delete, returning: false }).await.unwrap();
    let row_ids = take(batch.column_by_name("rowid").unwrap(), &chosen, None).unwrap();
    let field = batch.schema().field_with_name("rowid").unwrap().clone();
    change.write(RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![row_ids]).unwrap()).await.unwrap();
    assert!(matches!(change.commit().await, Ok(CommitOutcome::Committed(_))));
}

/// The values by id; each id is there once.
pub(super) async fn contents(table: &Arc<DeltaTable>) -> BTreeMap<i64, String> {
    let (batch, _) = scanned(&newest(table).await.unwrap()).await;
    let ids = batch.column(0).as_primitive::<Int64Type>().values().iter().copied();
    let values = batch.column(1).as_string::<i32>().iter().flatten().map(str::to_owned);
    let contents: BTreeMap<_, _> = ids.zip(values).collect();
    assert_eq!(contents.len(), batch.num_rows(), "an id is there twice: {batch:?}");
    contents
}

/// All rows with their row ids.
async fn scanned(snapshot: &DeltaSnapshot) -> (RecordBatch, ScanRequest) {
    let request = ScanRequest { projection: vec![0, 1], row_id: true, predicate: Predicate::Unknown };
    let fields = [schema().field(0).clone(), schema().field(1).clone(), crate::engine::row_id_field()];
    let schema = Arc::new(Schema::new(fields.to_vec()));
    let mut batches = Vec::new();
    for part in snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap().parts {
        let read = snapshot.read(&request, &part).await.unwrap().try_collect::<Vec<_>>().await.unwrap();
        batches.extend(read.into_iter().map(|batch| batch.rows));
    }
    (arrow::compute::concat_batches(&schema, &batches).unwrap(), request)
}

fn places(batch: &RecordBatch, wanted: impl Fn(i64) -> bool) -> Int64Array {
    let ids = batch.column(0).as_primitive::<Int64Type>().values().iter();
    ids.enumerate().filter(|(_, id)| wanted(**id)).map(|(at, _)| at as i64).collect()
}

/// The partition of the rows that a MERGE is about.
const PART: &str = "a";

/// What becomes of rows with the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// They get a value, or are added with it.
    Upsert,
    /// They are added unless they are there.
    InsertOnly,
    /// They go.
    Delete,
}

type Meanwhile = Box<dyn Fn(u32) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A MERGE of keys.
pub(super) struct ByKey {
    pub(super) kind: Kind,
    pub(super) keys: Vec<i64>,
    pub(super) value: String,
    /// What others do between the work and the commit of an attempt, by its number from 1.
    pub(super) meanwhile: Option<Meanwhile>,
    /// How often it was done.
    pub(super) attempts: AtomicU32,
}

pub(super) fn by_key(kind: Kind, keys: &[i64], value: &str) -> ByKey {
    let (keys, value) = (keys.to_vec(), value.to_owned());
    ByKey { kind, keys, value, meanwhile: None, attempts: AtomicU32::new(0) }
}

impl ByKey {
    pub(super) fn meanwhile<F>(self, others: impl Fn(u32) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { meanwhile: Some(Box::new(move |attempt| Box::pin(others(attempt)))), ..self }
    }

    /// In its first attempt only.
    pub(super) fn once<F>(self, others: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.meanwhile(move |attempt| {
            let others = (attempt == 1).then(&others);
            async move {
                if let Some(others) = others {
                    others.await;
                }
            }
        })
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(SeqCst)
    }

    pub(super) async fn run(&self, table: &Arc<DeltaTable>) -> Result<MergeOutcome> {
        attempts(newest(table).await?, self).await
    }

    fn could_matter(&self) -> Predicate {
        let is = |column: &str, values: Vec<Scalar>| Predicate::In {
            column: vec![column.to_owned()],
            values,
            negated: false,
        };
        let keys = self.keys.iter().map(|key| Scalar::Integer(i128::from(*key))).collect();
        Predicate::And(vec![is("id", keys), is("part", vec![Scalar::Text(PART.to_owned())])])
    }
}

#[async_trait]
impl Work for ByKey {
    async fn apply(&self, base: &DeltaSnapshot) -> Result<Applied> {
        let attempt = self.attempts.fetch_add(1, SeqCst) + 1;
        let (batch, _) = scanned(base).await;
        let matched = places(&batch, |id| self.keys.contains(&id));
        let there: Vec<i64> = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        let new = || self.keys.iter().copied().filter(|key| !there.contains(key));
        let mut changed = ChangedRows::new(base).await?;
        if self.kind != Kind::InsertOnly && !matched.is_empty() {
            changed.take(&take(batch.column(2), &matched, None).unwrap()).await?;
        }
        let mut stage = Stage::begin(base.table().stage_target(base.definition()))?;
        if Means::of(base) == Means::Rewrite {
            stage_survivors(base, &changed, &mut stage).await?;
        }
        let rows = match self.kind {
            Kind::Upsert => rows(PART, self.keys.iter().copied(), &self.value),
            Kind::InsertOnly => rows(PART, new(), &self.value),
            Kind::Delete => rows(PART, [], &self.value),
        };
        stage.write(&rows).await?;
        let mut staged = stage.finish().await?;
        let adds = std::mem::take(&mut staged.adds);
        if let Some(meanwhile) = &self.meanwhile {
            meanwhile(attempt).await;
        }
        let (matched, inserted) = (matched.len() as u64, new().count() as u64);
        let counts = match self.kind {
            Kind::Upsert => MergeCounts { inserted, updated: matched, deleted: 0 },
            Kind::InsertOnly => MergeCounts { inserted, ..MergeCounts::default() },
            Kind::Delete => MergeCounts { deleted: matched, ..MergeCounts::default() },
        };
        let could_matter = self.could_matter();
        let (changes, staged) = (vec![], vec![staged]);
        Ok(Applied { changed, adds, changes, staged, counts, returned: None, could_matter })
    }

    fn statement(&self, counts: MergeCounts) -> MergeStatement {
        MergeStatement { parameters: json!({}), counts, source_rows: self.keys.len() as u64 }
    }

    fn relies_on_rows(&self) -> bool {
        self.kind == Kind::InsertOnly
    }
}

pub(super) fn committed(outcome: Result<MergeOutcome>) -> Merged {
    match outcome {
        Ok(MergeOutcome::Committed(merged)) => merged,
        other => panic!("{other:?}"),
    }
}

pub(super) fn conflict_of(outcome: Result<MergeOutcome>) -> String {
    match outcome {
        Ok(MergeOutcome::Conflict { reason }) => reason,
        other => panic!("{other:?}"),
    }
}
