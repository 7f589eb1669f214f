//! New rows staged, the feed told, rows kept for RETURNING.

use std::{collections::BTreeSet, iter, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use deltalake_core::kernel::Add;

use super::{
    check::changes_rows,
    clause::{MergeAction, OldRows, batch},
};
use crate::{
    delta::{
        change::{ChangeType, ChangedRows, Feed, Means, finished, stage_survivors},
        merge::source::{MemoryBudget, SourceRows, Spool},
        rules::Rules,
        snapshot::DeltaSnapshot,
        write::{Stage, Staged},
    },
    engine::{Error, Result, Snapshot},
    expression::Expression,
    merge::{Action, MergePlan},
};

/// Takes what the clauses make. Dropping it removes what is staged, in the background.
pub(super) struct Writer {
    base: DeltaSnapshot,
    rules: Rules,
    /// `None` before there are rows.
    stage: Option<Stage>,
    feed: Option<Feed>,
    returned: Option<Returned>,
}

/// What was made of it all: durable files, and the rows to give back.
pub(super) struct Written {
    pub(super) adds: Vec<Add>,
    pub(super) changes: Vec<Add>,
    pub(super) staged: Vec<Staged>,
    pub(super) returned: Option<SourceRows>,
}

impl Writer {
    pub(super) fn new(base: &DeltaSnapshot, plan: &MergePlan, memory: &MemoryBudget) -> Result<Self> {
        let table = base.table().store().name();
        let makes_rows =
            plan.clauses.iter().any(|clause| matches!(clause.action, Action::Update(_) | Action::Insert(_)));
        let rules = match makes_rows {
            true => base.definition().rules(table)?,
            false => Rules::not_null(table, &base.schema()),
        };
        let feed = if changes_rows(plan) { Feed::begin(base)? } else { None };
        let returned = Returned::begin(base, plan, memory)?;
        Ok(Self { base: base.clone(), rules, stage: None, feed, returned })
    }

    /// The columns that the table's rules fill.
    pub(super) fn generated(&self) -> BTreeSet<usize> {
        self.rules.generated().collect()
    }

    /// What it wants to know of old rows.
    pub(super) fn old_rows(&self) -> OldRows {
        let of_deleted = self.returned.as_ref().map(|returned| returned.columns_of_target().collect());
        OldRows { whole: self.feed.is_some(), of_deleted }
    }

    /// Takes new rows, and, where the feed wants them, the rows they take the place of.
    ///
    /// # Errors
    /// `InvalidArgument` if a row breaks a rule of the table.
    pub(super) async fn write(
        &mut self,
        action: MergeAction,
        rows: &RecordBatch,
        old_rows: Option<&RecordBatch>,
    ) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let stage = begun(&self.base, &mut self.stage)?;
        let rows = stage.write_ruled(&self.rules, rows).await?;
        match (&mut self.feed, action, old_rows) {
            (Some(feed), MergeAction::Insert, _) => feed.write(&rows, ChangeType::Insert).await?,
            (Some(feed), _, Some(old_rows)) => {
                feed.write(old_rows, ChangeType::UpdatePreimage).await?;
                feed.write(&rows, ChangeType::UpdatePostimage).await?;
            }
            _ => {}
        }
        self.give_back(action, &rows).await
    }

    /// Takes rows that are deleted.
    pub(super) async fn delete(&mut self, old_rows: &RecordBatch) -> Result<()> {
        if let Some(feed) = &mut self.feed {
            feed.write(old_rows, ChangeType::Delete).await?;
        }
        self.give_back(MergeAction::Delete, old_rows).await
    }

    async fn give_back(&mut self, action: MergeAction, rows: &RecordBatch) -> Result<()> {
        match &mut self.returned {
            Some(returned) => returned.take(action, rows).await,
            None => Ok(()),
        }
    }

    /// No row of the target is changed: then readers of the feed take inserted rows from the files they are in.
    pub(super) fn drop_feed(&mut self) {
        self.feed = None;
    }

    /// Makes durable files of all rows, and of those that stay where files of changed ones are written again.
    pub(super) async fn finish(mut self, changed: &ChangedRows) -> Result<Written> {
        if Means::of(&self.base) == Means::Rewrite && !changed.is_empty() {
            let stage = begun(&self.base, &mut self.stage)?;
            stage_survivors(&self.base, changed, stage).await?;
        }
        let mut staged = Vec::new();
        let adds = match self.stage.take() {
            Some(stage) => finished(stage.finish().await?, &mut staged),
            None => Vec::new(),
        };
        let changes = match self.feed.take() {
            Some(feed) => finished(feed.finish().await?, &mut staged),
            None => Vec::new(),
        };
        let returned = match self.returned {
            Some(returned) => Some(returned.spool.finish().await?),
            None => None,
        };
        Ok(Written { adds, changes, staged, returned })
    }
}

fn begun<'s>(base: &DeltaSnapshot, stage: &'s mut Option<Stage>) -> Result<&'s mut Stage> {
    Ok(match stage {
        Some(stage) => stage,
        None => stage.insert(Stage::begin(base.table().stage_target(base.definition()))?),
    })
}

/// The rows of RETURNING.
struct Returned {
    values: Vec<Expression>,
    columns: SchemaRef,
    /// How many columns the target has.
    target_columns: usize,
    spool: Spool,
}

impl Returned {
    fn begin(base: &DeltaSnapshot, plan: &MergePlan, memory: &MemoryBudget) -> Result<Option<Self>> {
        let Some(returning) = &plan.returning else { return Ok(None) };
        let directory = base.table().merge_options().spill_directory.clone();
        let columns = Arc::clone(&returning.columns);
        let spool = Spool::new(Arc::clone(&columns), memory.clone(), directory);
        // A type may be spelt in several ways: the names of lists' elements differ.
        let values = returning.values.iter().zip(columns.fields()).map(|(value, field)| value.clone().cast_to(field));
        let values = values.collect::<Result<_>>()?;
        Ok(Some(Self { values, columns, target_columns: plan.target_columns, spool }))
    }

    fn columns_of_target(&self) -> impl Iterator<Item = usize> {
        let read = self.values.iter().flat_map(|value| value.columns().iter().copied());
        read.filter(|column| *column < self.target_columns)
    }

    async fn take(&mut self, action: MergeAction, rows: &RecordBatch) -> Result<()> {
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(iter::repeat_n(action.name(), rows.num_rows())));
        let name = Arc::new(Field::new("merge_action", DataType::Utf8, false));
        let fields: Vec<_> = rows.schema_ref().fields().iter().chain([&name]).cloned().collect();
        let columns = rows.columns().iter().cloned().chain([names]).collect();
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|e| Error::internal("telling what became of rows", e))?;
        let values = self.values.iter().map(|value| value.evaluate(&rows)).collect::<Result<_>>()?;
        self.spool.push(batch(&self.columns, values, rows.num_rows())?).await
    }
}
