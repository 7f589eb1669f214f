//! An expression over pairs of rows: of the columns it reads, and of no others, are the rows made that it is evaluated over.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array},
    buffer::BooleanBuffer,
    compute,
    datatypes::{Schema, SchemaRef},
};

use crate::{
    delta::merge::source::{Pairs, SourceRows},
    engine::{Error, Result},
    expression::Expression,
    merge::MergePlan,
};

/// An expression over rows of the target, as they are scanned, and rows of the source.
#[derive(Debug)]
pub(super) struct OverPairs {
    /// Over the columns below, in this order.
    expression: Expression,
    /// Of the scanned rows.
    target: Vec<usize>,
    /// Of the source, ascending.
    source: Vec<usize>,
    columns: SchemaRef,
}

impl OverPairs {
    /// `scanned` are the columns that rows of the target have.
    pub(super) fn new(expression: &Expression, plan: &MergePlan, scanned: &[usize]) -> Result<Self> {
        let columns = expression.columns();
        let (target, source) = columns.split_at(columns.partition_point(|column| *column < plan.target_columns));
        let place = |column: &usize| {
            let place = scanned.binary_search(column);
            place.map_err(|_| Error::internal("a condition reads what is not scanned", format!("column {column}")))
        };
        let fields: Vec<_> = columns.iter().map(|column| Arc::clone(&plan.columns.fields()[*column])).collect();
        Ok(Self {
            expression: expression.over(columns)?,
            target: target.iter().map(place).collect::<Result<_>>()?,
            source: source.iter().map(|column| column - plan.target_columns).collect(),
            columns: Arc::new(Schema::new(fields)),
        })
    }

    /// Its value for each pair; `pairs` may do without rows of the source if it reads none of their columns.
    ///
    /// # Errors
    /// `InvalidArgument` where it fails on a pair.
    pub(super) fn values(&self, target: &RecordBatch, source: &SourceRows, pairs: &Pairs) -> Result<ArrayRef> {
        let mut columns = Vec::with_capacity(self.columns.fields().len());
        if !self.target.is_empty() {
            let rows = UInt32Array::from(pairs.target.clone());
            for column in &self.target {
                columns.push(compute::take(target.column(*column), &rows, None).map_err(taking)?);
            }
        }
        if !self.source.is_empty() {
            columns.extend_from_slice(source.take(&self.source, &pairs.source)?.columns());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.target.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.columns), columns, &options).map_err(taking)?;
        self.expression.evaluate(&rows)
    }

    /// The pairs for which it is true.
    ///
    /// # Errors
    /// As [`Self::values`].
    pub(super) fn holds(&self, target: &RecordBatch, source: &SourceRows, pairs: &Pairs) -> Result<BooleanBuffer> {
        truths(&self.values(target, source, pairs)?)
    }
}

/// Where a condition is true, and not NULL.
pub(super) fn truths(values: &ArrayRef) -> Result<BooleanBuffer> {
    let unexpected = || Error::internal("a condition has no truth value", values.data_type().to_string());
    let values = values.as_boolean_opt().ok_or_else(unexpected)?;
    Ok(match values.nulls() {
        None => values.values().clone(),
        Some(nulls) => values.values() & nulls.inner(),
    })
}

fn taking(source: arrow::error::ArrowError) -> Error {
    Error::internal("pairs of rows cannot be made", source)
}
