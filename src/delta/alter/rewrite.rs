//! A column's new type: every live row is read, converted and written again, and one commit puts the new files in the
//! place of the old ones, along with the definition.
//!
//! Rows stream: what is held is what a scan and an append hold. Other readers see plain files of the new type; Delta's
//! type widening, which few of them know, is not used.

use std::{num::NonZeroUsize, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use deltalake_core::kernel::Add;
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::{definition_actions, newest, plan::Plan};
use crate::{
    delta::{
        commit::{ATTEMPTS_MAX, conflict, outrun, put_next},
        commit_info::{self, Operation, now_ms},
        definition::Definition,
        file_actions,
        rules::Rules,
        snapshot::DeltaSnapshot,
        table::DeltaTable,
        write::{self, AppendTarget, CommitAdds, Committer},
    },
    engine::{Append, CommitOutcome, Error, Predicate, Result, ScanRequest, Snapshot},
    expression::Expression,
};

/// What the values of a column become.
#[derive(Debug)]
pub(super) struct Conversion {
    /// The column's place.
    pub(super) column: usize,
    /// The columns that its values are made of, by their places on the seam.
    pub(super) inputs: Vec<usize>,
    /// Its values, over those columns.
    pub(super) values: Expression,
}

/// Rewrites all rows of a version for a plan.
pub(super) async fn rewrite(base: &DeltaSnapshot, plan: &Plan, conversion: &Conversion) -> Result<CommitOutcome> {
    let (table, definition) = (base.table(), &plan.definition);
    definition.check_rewrite(table.store().name())?;
    if base.files().await?.is_empty() {
        return replacement(base, plan).put(Vec::new(), 0).await;
    }
    let mut append = write::begin_append(target(base, plan)?)?;
    match convert(base, definition, conversion, append.as_mut()).await {
        Err(error) => {
            append.abort().await;
            Err(error)
        }
        // An append without rows would commit nothing.
        Ok(0) => {
            append.abort().await;
            replacement(base, plan).put(Vec::new(), 0).await
        }
        Ok(_) => append.commit().await,
    }
}

fn target(base: &DeltaSnapshot, plan: &Plan) -> Result<AppendTarget> {
    let (store, schema) = (base.table().store(), plan.definition.schema());
    Ok(AppendTarget {
        stage: base.table().stage_target(&plan.definition),
        // Its other rules have been kept by the rows so far, or were made without looking at them.
        rules: Rules::not_null(store.name(), &schema.logical),
        base: Arc::new(base.clone()),
        committer: Committer::Alone(Box::new(replacement(base, plan))),
    })
}

fn replacement(base: &DeltaSnapshot, plan: &Plan) -> Replacement {
    let definition = definition_actions(base.definition(), &plan.definition);
    Replacement { base: base.clone(), operation: plan.operation.clone(), definition }
}

/// Reads, converts and stages all live rows; how many there were. In the order of files and rows, so that what lay
/// together stays together.
async fn convert(
    base: &DeltaSnapshot,
    definition: &Definition,
    conversion: &Conversion,
    append: &mut dyn Append,
) -> Result<u64> {
    let columns = base.schema().fields().len();
    let everything = ScanRequest { projection: (0..columns).collect(), row_id: false, predicate: Predicate::Unknown };
    let schema = nullable(&definition.schema().logical, conversion.column);
    let mut rows = 0;
    for part in base.plan(&everything, NonZeroUsize::MIN).await?.parts {
        let mut batches = base.read(&everything, &part).await?;
        while let Some(batch) = batches.try_next().await? {
            rows += batch.rows.num_rows() as u64;
            append.write(conversion.apply(&batch.rows, &schema)?).await?;
        }
    }
    Ok(rows)
}

/// The schema with a column that may be null: what is written checks that by itself, and says which row it was.
fn nullable(schema: &SchemaRef, column: usize) -> SchemaRef {
    let field = |(index, field): (usize, &Arc<Field>)| match index == column {
        true => Arc::new(field.as_ref().clone().with_nullable(true)),
        false => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().enumerate().map(field).collect::<Vec<_>>()))
}

impl Conversion {
    fn apply(&self, rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
        let broken = |error| Error::internal("cannot convert a batch", error);
        let name = schema.field(self.column).name();
        let inputs = rows.project(&self.inputs).map_err(broken)?;
        let values = self.values.evaluate(&inputs).map_err(|error| match error {
            Error::InvalidArgument(reason) => Error::InvalidArgument(format!("column '{name}': {reason}")),
            other => other,
        })?;
        let mut columns = rows.columns().to_vec();
        columns[self.column] = values;
        RecordBatch::try_new(schema.clone(), columns).map_err(broken)
    }
}

/// Puts new files in the place of all files of a version.
struct Replacement {
    base: DeltaSnapshot,
    operation: Operation,
    definition: Vec<Value>,
}

#[async_trait]
impl CommitAdds for Replacement {
    async fn commit(self: Box<Self>, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
        self.put(adds, rows).await
    }
}

impl Replacement {
    /// A conflict if anything but appended nothing has happened since the base.
    async fn put(mut self, adds: Vec<Add>, rows: u64) -> Result<CommitOutcome> {
        let table = Arc::clone(self.base.table());
        let removed = self.base.files().await?.clone();
        self.operation.metrics = json!({
            "numAddedFiles": adds.len().to_string(),
            "numRemovedFiles": removed.len().to_string(),
            "numOutputRows": rows.to_string(),
        });
        let adds = adds.into_iter().map(file_actions::add).collect::<Result<Vec<_>>>()?;
        let now_ms = now_ms();
        let removes = removed.iter().map(|file| file_actions::remove(file, now_ms));
        let actions = self.definition.into_iter().chain(removes).chain(adds).collect();
        let commit = commit_info::change(&self.base, &self.operation, actions)?;
        let _turn = table.lock_commits().await;
        for attempt in 0..ATTEMPTS_MAX {
            let now = newest(&table).await?;
            if let Some(reason) = conflict(&self.base, now.state()) {
                return Ok(CommitOutcome::Conflict { reason });
            }
            if *now.files().await? != removed {
                return Ok(CommitOutcome::Conflict { reason: other_rows(&table, &self.base, &now) });
            }
            if let Some(altered) = put_next(&table, now.state(), &commit, attempt).await? {
                return Ok(CommitOutcome::Committed(Arc::new(altered)));
            }
        }
        Err(outrun(&table))
    }
}

fn other_rows(table: &DeltaTable, base: &DeltaSnapshot, now: &DeltaSnapshot) -> String {
    let name = table.store().name();
    format!("rows of table '{name}' changed after version {} (now at {})", base.version(), now.version())
}
