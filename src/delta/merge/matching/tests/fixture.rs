//! A table, a source and a plan made by hand, and what a matching of them finds.

use std::{num::NonZeroUsize, sync::Arc};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef},
};
use futures::TryStreamExt;

use crate::{
    delta::{
        create,
        fixtures::{Lake, newest},
        merge::{
            matching::{Matching, Unmatched},
            source::{MemoryBudget, SourceRows, Spool},
        },
        scan::{self, RowPlace, ScanSource},
        snapshot::DeltaSnapshot,
        table::DeltaTable,
    },
    engine::{
        ChangeKind, ChangeRequest, CommitOutcome, Predicate, Result, ScanRequest, Snapshot, TableSpec, row_id_field,
    },
    expression::{Dialect, Expression},
    merge::{Action, Clause, Key, MergePlan, On, When},
};

/// A table that is merged into.
pub(super) struct Target {
    pub(super) lake: Lake,
    pub(super) table: Arc<DeltaTable>,
    columns: SchemaRef,
}

/// Nullable columns.
pub(super) fn columns(of: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(of.iter().map(|(name, ty)| Field::new(*name, ty.clone(), true)).collect::<Vec<_>>()))
}

impl Target {
    pub(super) async fn new(columns: SchemaRef, partition_columns: &[&str]) -> Self {
        let lake = Lake::new();
        let table = lake.table("t");
        let partition_columns = partition_columns.iter().map(|column| (*column).to_owned()).collect();
        let spec = TableSpec { schema: Arc::clone(&columns), partition_columns, description: None, checks: vec![] };
        create::create(table.store(), table.log(), &spec, true).await.unwrap();
        Self { lake, table, columns }
    }

    /// Appends a batch, as one file of each partition.
    pub(super) async fn append(&self, rows: RecordBatch) {
        let mut append = newest(&self.table).await.unwrap().append().await.unwrap();
        append.write(rows.with_schema(Arc::clone(&self.columns)).unwrap()).await.unwrap();
        committed(&append.commit().await);
    }

    /// Deletes the rows for whose place this holds.
    pub(super) async fn delete(&self, mut wanted: impl FnMut(RowPlace) -> bool) {
        let base = newest(&self.table).await.unwrap();
        let rows = scanned(&base, vec![], Predicate::Unknown).await;
        let ids = rows.columns().last().unwrap();
        let mask: arrow::array::BooleanArray = places(&rows).into_iter().map(|place| Some(wanted(place))).collect();
        let ids = arrow::compute::filter(ids, &mask).unwrap();
        if ids.is_empty() {
            return;
        }
        let request = ChangeRequest { kind: ChangeKind::Delete, returning: false };
        let mut change = base.change(&request).await.unwrap();
        let ids = RecordBatch::try_new(Arc::new(Schema::new(vec![row_id_field()])), vec![ids]).unwrap();
        change.write(ids).await.unwrap();
        committed(&change.commit().await);
    }

    pub(super) async fn source(&self) -> ScanSource {
        self.snapshot().await.source().await.unwrap()
    }

    pub(super) async fn snapshot(&self) -> DeltaSnapshot {
        newest(&self.table).await.unwrap()
    }
}

fn committed(outcome: &Result<CommitOutcome>) {
    assert!(matches!(outcome, Ok(CommitOutcome::Committed(_))), "{outcome:?}");
}

/// Rows of the newest version and, last, their ids.
pub(super) async fn scanned(snapshot: &DeltaSnapshot, projection: Vec<usize>, predicate: Predicate) -> RecordBatch {
    let request = ScanRequest { projection, row_id: true, predicate };
    let mut batches = Vec::new();
    for part in snapshot.plan(&request, NonZeroUsize::MIN).await.unwrap().parts {
        let part: Vec<_> =
            scan::read(snapshot.source().await.unwrap(), &request, &part).unwrap().try_collect().await.unwrap();
        batches.extend(part.into_iter().map(|batch| batch.rows));
    }
    let mut fields: Vec<Field> =
        request.projection.iter().map(|column| snapshot.schema().field(*column).clone()).collect();
    fields.push(row_id_field());
    arrow::compute::concat_batches(&Arc::new(Schema::new(fields)), &batches).unwrap()
}

/// The places of rows that were read with their ids.
pub(super) fn places(rows: &RecordBatch) -> Vec<RowPlace> {
    let ids = rows.columns().last().unwrap().as_struct();
    let (files, positions) = (ids.column(1).as_primitive::<Int32Type>(), ids.column(2).as_primitive::<Int64Type>());
    let place = |(file, position): (&i32, &i64)| RowPlace { file: *file as u32, position: *position as u64 };
    files.values().iter().zip(positions.values()).map(place).collect()
}

/// A plan over columns that all have different names.
pub(super) struct PlanOf {
    plan: MergePlan,
}

impl PlanOf {
    pub(super) fn new(target: &SchemaRef, source: &SchemaRef) -> Self {
        let fields: Vec<_> = target.fields().iter().chain(source.fields()).cloned().collect();
        let columns = Arc::new(Schema::new(fields));
        let plan = MergePlan {
            columns,
            target_columns: target.fields().len(),
            on: On::default(),
            clauses: vec![],
            source_keys_unique: false,
            returning: None,
        };
        Self { plan }
    }

    pub(super) fn expression(&self, sql: &str) -> Expression {
        Expression::new(sql, Dialect::DuckDb, &self.plan.columns).expect(sql)
    }

    pub(super) fn key(mut self, target: &str, source: &str) -> Self {
        let (target_side, source_side) = (self.expression(target), self.expression(source));
        let key = Key { target: target_side, source: source_side, nulls_equal: false, name: target.to_owned() };
        self.plan.on.keys.push(key);
        self
    }

    /// NULL equals NULL in the last key.
    pub(super) fn nulls_equal(mut self) -> Self {
        self.plan.on.keys.last_mut().unwrap().nulls_equal = true;
        self
    }

    /// Another condition of ON; of which sides it is is told by what it reads.
    pub(super) fn on(mut self, sql: &str) -> Self {
        let (condition, target_columns) = (self.expression(sql), self.plan.target_columns);
        let reads = condition.columns();
        let on = &mut self.plan.on;
        match (
            reads.iter().any(|column| *column < target_columns),
            reads.iter().any(|column| *column >= target_columns),
        ) {
            (true, true) => &mut on.rest,
            (true, false) => &mut on.target,
            (false, _) => &mut on.source,
        }
        .push(condition);
        self
    }

    pub(super) fn when(mut self, when: When, condition: Option<&str>, action: Action) -> Self {
        let condition_of = condition.map(|sql| self.expression(sql));
        let text = format!("WHEN {when:?}{}", condition.map(|sql| format!(" AND {sql}")).unwrap_or_default());
        self.plan.clauses.push(Clause { when, condition: condition_of, action, text });
        self
    }

    pub(super) fn unique(mut self) -> Self {
        self.plan.source_keys_unique = true;
        self
    }

    pub(super) fn done(self) -> Arc<MergePlan> {
        Arc::new(self.plan)
    }
}

/// Rows of a source, in these batches.
pub(super) async fn source_of(
    columns: &SchemaRef,
    batches: impl IntoIterator<Item = RecordBatch>,
    memory: &MemoryBudget,
) -> Arc<SourceRows> {
    let mut spool = Spool::new(Arc::clone(columns), memory.clone(), std::env::temp_dir());
    for batch in batches {
        spool.push(batch.with_schema(Arc::clone(columns)).unwrap()).await.unwrap();
    }
    Arc::new(spool.finish().await.unwrap())
}

/// A clause, a row of the target and the row of the source it matched.
pub(super) type Found = (usize, RowPlace, Option<u64>);

/// What a matching finds.
#[derive(Debug)]
pub(super) struct Matched {
    /// Sorted.
    pub(super) found: Vec<Found>,
    pub(super) rest: Unmatched,
    /// How often the target was scanned.
    pub(super) passes: usize,
}

pub(super) async fn matched(
    plan: &Arc<MergePlan>,
    target: ScanSource,
    source: &Arc<SourceRows>,
    memory: &MemoryBudget,
) -> Result<Matched> {
    let mut matching = Matching::new(Arc::clone(plan), target, Arc::clone(source), memory.clone())?;
    let mut found = Vec::new();
    while let Some(decided) = matching.next().await? {
        assert!(!decided.places.is_empty());
        assert!(decided.source.is_empty() || decided.source.len() == decided.places.len());
        let source = decided.source.iter().copied().map(Some).chain(std::iter::repeat(None));
        found.extend(decided.places.iter().zip(source).map(|(place, row)| (decided.clause, *place, row)));
    }
    assert!(matching.next().await?.is_none(), "the end stays the end");
    found.sort_unstable();
    let passes = matching.looked_for.len();
    Ok(Matched { found, rest: matching.finish()?, passes })
}
