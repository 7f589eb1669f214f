//! What a clause makes of rows, and which columns it needs for that.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{Field, Schema, SchemaRef},
};

use crate::{
    delta::write::conform,
    engine::{Error, Result},
    expression::Expression,
    merge::{Action, Clause, MergePlan},
};

/// What becomes of a row: DuckDB's `merge_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MergeAction {
    Insert,
    Update,
    Delete,
}

impl MergeAction {
    /// `None` for what becomes nothing.
    pub(super) fn of(action: &Action) -> Option<Self> {
        match action {
            Action::Insert(_) => Some(Self::Insert),
            Action::Update(_) => Some(Self::Update),
            Action::Delete => Some(Self::Delete),
            Action::DoNothing | Action::Error(_) => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// Who else wants to know old rows than the clauses themselves.
#[derive(Debug, Clone, Default)]
pub(super) struct OldRows {
    /// The feed: of changed rows everything.
    pub(super) whole: bool,
    /// RETURNING, if it is there: these columns of deleted rows.
    pub(super) of_deleted: Option<BTreeSet<usize>>,
}

impl OldRows {
    /// The columns that somebody wants to know of old rows; `None` if nobody wants to know of them.
    fn wanted(&self, action: MergeAction, columns: usize) -> Option<BTreeSet<usize>> {
        match action {
            MergeAction::Insert => None,
            _ if self.whole => Some((0..columns).collect()),
            MergeAction::Update => None,
            MergeAction::Delete => self.of_deleted.clone(),
        }
    }
}

/// How a clause's rows are made of old rows and rows of the source.
#[derive(Debug)]
pub(super) struct ClauseRows {
    pub(super) action: MergeAction,
    /// Columns of the target that are fetched, ascending.
    pub(super) fetched: Vec<usize>,
    /// Columns of the source that are read, ascending.
    pub(super) read: Vec<usize>,
    /// Whether somebody wants to know what was there.
    pub(super) tells_old: bool,
    /// The fetched columns, then those that are read.
    joined: SchemaRef,
    /// For each column of the target; none of a DELETE.
    columns: Vec<Column>,
    /// The target's columns, any of which may be NULL: whether it must not be is for the rules to say.
    rows: SchemaRef,
}

/// Where a column of a new row comes from.
#[derive(Debug)]
enum Column {
    /// Bound to what is fetched and read.
    Value(Expression),
    /// The old value, by its place in what is fetched.
    Old(usize),
    /// NULL, of which the table's rules may make a value.
    Null,
}

impl ClauseRows {
    /// `None` for a clause that leaves rows as they are. `generated` are the columns that the table's rules fill.
    pub(super) fn of(
        plan: &MergePlan,
        clause: &Clause,
        generated: &BTreeSet<usize>,
        old_rows: &OldRows,
    ) -> Result<Option<Self>> {
        let Some(action) = MergeAction::of(&clause.action) else { return Ok(None) };
        let (values, count) = (values(plan, &clause.action), plan.target_columns);
        let is_kept = |column: &usize| values[*column].is_none() && !generated.contains(column);
        let kept = (0..count).filter(|column| action == MergeAction::Update && is_kept(column));
        let kept: BTreeSet<usize> = kept.collect();
        let wanted = old_rows.wanted(action, count);
        let columns = values.iter().flatten().flat_map(|value| value.columns().iter().copied());
        let (of_target, of_source): (BTreeSet<usize>, BTreeSet<usize>) = columns.partition(|column| *column < count);
        let fetched: BTreeSet<usize> = kept.iter().chain(wanted.iter().flatten()).chain(&of_target).copied().collect();
        let fetched: Vec<usize> = fetched.into_iter().collect();
        let joined: Vec<usize> = fetched.iter().copied().chain(of_source.iter().copied()).collect();
        let column = |(index, value): (usize, &Option<&Expression>)| match (value, fetched.binary_search(&index)) {
            (Some(value), _) => value.over(&joined).map(Column::Value),
            (None, Ok(place)) if kept.contains(&index) => Ok(Column::Old(place)),
            (None, _) => Ok(Column::Null),
        };
        Ok(Some(Self {
            action,
            read: of_source.iter().map(|column| column - count).collect(),
            tells_old: wanted.is_some(),
            columns: match action {
                MergeAction::Delete => Vec::new(),
                _ => values.iter().enumerate().map(column).collect::<Result<_>>()?,
            },
            joined: fields_of(plan, &joined),
            rows: target_rows(plan),
            fetched,
        }))
    }

    /// Whether nothing is to be made of its rows, nor told.
    pub(super) fn is_idle(&self) -> bool {
        !self.makes_rows() && !self.tells_old
    }

    pub(super) fn makes_rows(&self) -> bool {
        self.action != MergeAction::Delete
    }

    /// New rows of `rows` old ones, which have the columns that are fetched, and rows of the source, which have those that
    /// are read; neither needs to be there if there are no such columns. They are yet to be ruled.
    ///
    /// # Errors
    /// `InvalidArgument` where an expression fails on a row.
    pub(super) fn make(
        &self,
        old: Option<&RecordBatch>,
        source: Option<&RecordBatch>,
        rows: usize,
    ) -> Result<RecordBatch> {
        let columns = [old, source].into_iter().flatten().flat_map(|batch| batch.columns().iter().cloned());
        let joined = batch(&self.joined, columns.collect(), rows)?;
        let column = |(column, field): (&Column, &Arc<Field>)| match column {
            Column::Value(value) => conform(&value.evaluate(&joined)?, field),
            Column::Old(place) => Ok(Arc::clone(joined.column(*place))),
            Column::Null => Ok(new_null_array(field.data_type(), rows)),
        };
        let columns = self.columns.iter().zip(self.rows.fields()).map(column).collect::<Result<_>>()?;
        batch(&self.rows, columns, rows)
    }

    /// `rows` old rows, of all columns of the target; those that are not fetched are NULL.
    pub(super) fn old_rows(&self, old: Option<&RecordBatch>, rows: usize) -> Result<RecordBatch> {
        let column = |(index, field): (usize, &Arc<Field>)| match (old, self.fetched.binary_search(&index)) {
            (Some(old), Ok(place)) => Arc::clone(old.column(place)),
            _ => new_null_array(field.data_type(), rows),
        };
        batch(&self.rows, self.rows.fields().iter().enumerate().map(column).collect(), rows)
    }
}

/// What each column of the target is set to.
fn values<'a>(plan: &MergePlan, action: &'a Action) -> Vec<Option<&'a Expression>> {
    let mut values = vec![None; plan.target_columns];
    match action {
        Action::Update(assignments) => {
            for assignment in assignments {
                if let Some(value) = values.get_mut(assignment.column) {
                    *value = Some(&assignment.value);
                }
            }
        }
        Action::Insert(columns) => {
            for (value, column) in values.iter_mut().zip(columns) {
                *value = column.as_ref();
            }
        }
        Action::Delete | Action::DoNothing | Action::Error(_) => {}
    }
    values
}

/// Some of the joined columns.
pub(super) fn fields_of(plan: &MergePlan, columns: &[usize]) -> SchemaRef {
    let field = |column: &usize| Arc::new(Field::clone(plan.columns.field(*column)).with_nullable(true));
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The columns of new rows.
fn target_rows(plan: &MergePlan) -> SchemaRef {
    fields_of(plan, &(0..plan.target_columns).collect::<Vec<_>>())
}

pub(super) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|source| Error::internal("the columns of new rows cannot be put together", source))
}
