//! Rows that can be read again and again, in any order.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array},
    compute::{interleave, take},
    datatypes::SchemaRef,
    error::ArrowError,
};

use super::budget::Reservation;
use crate::engine::{Error, Result};

/// Rows that can be read again and again, in any order. Dropping it removes what was spilled.
#[derive(Debug)]
pub(crate) struct SourceRows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// The number of each batch's first row, and of the row after the last.
    starts: Vec<u64>,
    /// If they are in memory.
    _memory: Option<Reservation>,
}

/// A batch, and a row of it.
pub(crate) type Place = (usize, usize);

impl SourceRows {
    pub(super) fn new(schema: SchemaRef, batches: Vec<RecordBatch>, memory: Option<Reservation>) -> Self {
        let mut starts = vec![0];
        starts.extend(batches.iter().scan(0, |start, batch| {
            *start += batch.num_rows() as u64;
            Some(*start)
        }));
        Self { schema, batches, starts, _memory: memory }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) fn len(&self) -> u64 {
        *self.starts.last().unwrap_or(&0)
    }

    /// In order; [`Self::starts`] has the number of each one's first row. Those that were spilled are views of a mapped
    /// file. None is empty.
    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.batches
    }

    /// The number of the first row of each batch, and [`Self::len`].
    pub(crate) fn starts(&self) -> &[u64] {
        &self.starts
    }

    /// All rows in order, in views of at most `rows_max` rows, which is not zero.
    pub(crate) fn slices(self: Arc<Self>, rows_max: usize) -> impl Iterator<Item = RecordBatch> + Send {
        let (mut batch, mut row) = (0, 0);
        std::iter::from_fn(move || {
            let current = self.batches.get(batch)?;
            let slice = current.slice(row, rows_max.max(1).min(current.num_rows() - row));
            row += slice.num_rows();
            if row == current.num_rows() {
                (batch, row) = (batch + 1, 0);
            }
            Some(slice)
        })
    }

    /// The columns `columns` (ascending) of the rows `rows`, in that order.
    ///
    /// # Errors
    /// `ResourceExhausted` if the values of a column are more than an array can hold (2 GiB of text).
    pub(crate) fn take(&self, columns: &[usize], rows: &[u64]) -> Result<RecordBatch> {
        let schema = Arc::new(self.schema.project(columns).map_err(|error| lacking(&error))?);
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        let (used, places) = self.places(rows)?;
        let taken = columns.iter().map(|column| taken(&used, *column, &places)).collect::<Result<Vec<_>, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        taken.and_then(|taken| RecordBatch::try_new_with_options(schema, taken, &options)).map_err(
            |error| match error {
                ArrowError::OffsetOverflowError(_) => {
                    Error::ResourceExhausted(format!("the values of {} rows of the source are too long", rows.len()))
                }
                error => lacking(&error),
            },
        )
    }

    /// The batches that have some of the rows, and for each row which of them and where.
    fn places(&self, rows: &[u64]) -> Result<(Vec<&RecordBatch>, Vec<Place>)> {
        const UNUSED: usize = usize::MAX;
        let mut used = Vec::new();
        let mut order = vec![UNUSED; self.batches.len()];
        let mut places = Vec::with_capacity(rows.len());
        let mut batch = 0;
        for row in rows {
            let place = self.place(*row, batch).ok_or_else(|| lacking(&format!("row {row}")))?;
            batch = place.0;
            if order[batch] == UNUSED {
                order[batch] = used.len();
                used.push(&self.batches[batch]);
            }
            places.push((order[batch], place.1));
        }
        Ok((used, places))
    }

    /// The batch of a row, and where it is there; `None` if there is no such row. Rows that follow one another are mostly of
    /// one batch: it is looked for in `near` first.
    pub(crate) fn place(&self, row: u64, near: usize) -> Option<Place> {
        let is_near = self.starts.get(near..near + 2).is_some_and(|range| (range[0]..range[1]).contains(&row));
        let batch = if is_near { near } else { self.starts.partition_point(|start| *start <= row) - 1 };
        let start = self.starts[..self.batches.len()].get(batch)?;
        Some((batch, usize::try_from(row - start).ok()?))
    }
}

fn taken(used: &[&RecordBatch], column: usize, places: &[Place]) -> Result<ArrayRef, ArrowError> {
    match used {
        [batch] => {
            // A batch has fewer rows than that.
            let rows = places.iter().map(|(_, row)| u32::try_from(*row).unwrap_or(u32::MAX));
            take(batch.column(column), &UInt32Array::from_iter_values(rows), None)
        }
        _ => {
            let arrays: Vec<&dyn Array> = used.iter().map(|batch| batch.column(column).as_ref()).collect();
            interleave(&arrays, places)
        }
    }
}

fn lacking(what: &dyn std::fmt::Display) -> Error {
    Error::internal("reading rows of the source", what.to_string())
}
