//! The values of the keys on both sides, in a form in which equal ones are bit for bit equal.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array},
    buffer::NullBuffer,
    compute::{filter, filter_record_batch},
    datatypes::{DataType, SchemaRef, UInt32Type},
};

use crate::{
    engine::{Error, Result},
    expression::Expression,
    merge::{MergePlan, On},
};

/// The values of the target's sides of the keys, for [`super::KeyIndex::pairs`] only: they are in a form of their own. `on`
/// is over the columns of `rows` (see [`Expression::over`]).
///
/// # Errors
/// `InvalidArgument` where a key cannot be computed.
pub(crate) fn target_keys(on: &On, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    on.keys.iter().map(|key| key.target.evaluate_comparable(rows)).collect()
}

/// The source's side of ON.
#[derive(Debug)]
pub(super) struct SourceSide {
    /// The columns that are read, ascending.
    columns: Vec<usize>,
    conditions: Vec<Expression>,
    keys: Vec<Expression>,
    /// Of each key, whether NULL equals NULL.
    pub(super) nulls_equal: Vec<bool>,
}

/// Rows of the source that have what a match needs.
pub(super) struct Candidates {
    /// Their numbers in the batch they were taken from, ascending.
    pub(super) rows: Vec<u32>,
    /// The values of their keys.
    pub(super) keys: Vec<ArrayRef>,
}

impl SourceSide {
    pub(super) fn new(plan: &MergePlan) -> Result<Self> {
        let (on, first) = (&plan.on, plan.target_columns);
        let all = || on.source.iter().chain(on.keys.iter().map(|key| &key.source));
        let mut joined: Vec<usize> = all().flat_map(|expression| expression.columns().iter().copied()).collect();
        joined.sort_unstable();
        joined.dedup();
        let columns: Option<Vec<usize>> = joined.iter().map(|column| column.checked_sub(first)).collect();
        let columns = columns.ok_or_else(|| Error::internal("a key of the source", "reads a column of the target"))?;
        Ok(Self {
            columns,
            conditions: on.source.iter().map(|condition| condition.over(&joined)).collect::<Result<_>>()?,
            keys: on.keys.iter().map(|key| key.source.over(&joined)).collect::<Result<_>>()?,
            nulls_equal: on.keys.iter().map(|key| key.nulls_equal).collect(),
        })
    }

    /// The types of the keys' values in [`Candidates::keys`].
    pub(super) fn key_types(&self, schema: &SchemaRef) -> Result<Vec<DataType>> {
        let none = RecordBatch::new_empty(Arc::new(schema.project(&self.columns).map_err(failure)?));
        self.keys.iter().map(|key| Ok(key.evaluate_comparable(&none)?.data_type().clone())).collect()
    }

    /// The rows of a batch of the source for which its conditions hold, without those that have NULL in a key which NULL
    /// does not equal.
    ///
    /// # Errors
    /// `InvalidArgument` where a condition or a key cannot be computed; keys are computed only where the conditions hold.
    pub(super) fn candidates(&self, batch: &RecordBatch) -> Result<Candidates> {
        let batch = batch.project(&self.columns).map_err(failure)?;
        let numbers = UInt32Array::from_iter_values(0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX));
        let (batch, numbers) = self.conditions.iter().try_fold((batch, numbers), |(batch, numbers), condition| {
            let holds = condition.evaluate(&batch)?;
            filtered(&batch, &numbers, holds.as_boolean())
        })?;
        let keys = self.keys.iter().map(|key| key.evaluate_comparable(&batch)).collect::<Result<Vec<_>>>()?;
        match needed(&keys, &self.nulls_equal) {
            None => Ok(Candidates { rows: numbers.values().to_vec(), keys }),
            Some(valid) => {
                let valid = BooleanArray::new(valid.into_inner(), None);
                let keys = keys.iter().map(|key| filter(key, &valid)).collect::<Result<_, _>>();
                let numbers = filter(&numbers, &valid).map_err(failure)?;
                let rows = numbers.as_primitive::<UInt32Type>().values().to_vec();
                Ok(Candidates { rows, keys: keys.map_err(failure)? })
            }
        }
    }
}

/// Where no key has a NULL that equals nothing; `None` for everywhere.
pub(super) fn needed(keys: &[ArrayRef], nulls_equal: &[bool]) -> Option<NullBuffer> {
    let nulls = keys.iter().zip(nulls_equal).filter(|(_, equal)| !**equal).map(|(key, _)| key.logical_nulls());
    let nulls = nulls.fold(None, |so_far, nulls| NullBuffer::union(so_far.as_ref(), nulls.as_ref()));
    nulls.filter(|nulls| nulls.null_count() > 0)
}

fn filtered(batch: &RecordBatch, numbers: &UInt32Array, holds: &BooleanArray) -> Result<(RecordBatch, UInt32Array)> {
    let numbers = filter(numbers, holds).map_err(failure)?;
    Ok((filter_record_batch(batch, holds).map_err(failure)?, numbers.as_primitive().clone()))
}

fn failure(error: arrow::error::ArrowError) -> Error {
    Error::internal("reading the keys of the source", error)
}
