//! Batches of a good size from batches of any: a selective filter must not send many tiny ones.

use arrow::{array::RecordBatch, compute::concat_batches, error::ArrowError};

/// The most rows of a batch. Large enough that a batch's fixed costs vanish, small enough that several in flight
/// are nothing beside a row group.
pub(super) const BATCH_ROWS_MAX: usize = 64 * 1024;

/// About the most bytes of a batch, so that a few in flight per stream stay small even if rows are wide.
pub(super) const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A batch is sent on without copying if it fills at least this part of what it may: copying gains less than
/// another batch costs.
const GOOD_FILL_DIVISOR: usize = 4;

/// Batches that wait for company.
#[derive(Debug, Default)]
pub(super) struct Coalesce {
    waiting: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Coalesce {
    /// Adds a batch; what is to be sent on now, in order.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
        let (rows, bytes) = (batch.num_rows(), bytes_of(&batch));
        let mut ready = Vec::new();
        if self.rows + rows > BATCH_ROWS_MAX || self.bytes + bytes > BATCH_BYTES_MAX {
            ready.extend(self.flush()?);
        }
        self.waiting.push(batch);
        self.rows += rows;
        self.bytes += bytes;
        if self.rows >= BATCH_ROWS_MAX / GOOD_FILL_DIVISOR || self.bytes >= BATCH_BYTES_MAX / GOOD_FILL_DIVISOR {
            ready.extend(self.flush()?);
        }
        Ok(ready)
    }

    /// What waits, as one batch.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        (self.rows, self.bytes) = (0, 0);
        let mut waiting = std::mem::take(&mut self.waiting);
        match waiting.len() {
            0 => Ok(None),
            1 => Ok(waiting.pop()),
            _ => concat_batches(&waiting[0].schema(), &waiting).map(Some),
        }
    }
}

/// The bytes of a batch's rows, not those of the buffers they are slices of.
pub(crate) fn bytes_of(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    columns.map(|bytes| bytes.unwrap_or(0)).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, RecordBatchOptions, StringArray},
        datatypes::Schema,
    };

    use super::*;

    fn numbers(range: std::ops::Range<i64>) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from_iter_values(range)) as _)]).unwrap()
    }

    #[test]
    fn small_batches_are_joined_in_order_and_large_ones_pass() {
        let mut coalesce = Coalesce::default();
        assert!(coalesce.push(numbers(0..10)).unwrap().is_empty());
        assert!(coalesce.push(numbers(10..15)).unwrap().is_empty());
        let large = 15..15 + BATCH_ROWS_MAX as i64;
        let ready = coalesce.push(numbers(large.clone())).unwrap();
        assert_eq!(ready, [numbers(0..15), numbers(large)]);
        assert!(coalesce.flush().unwrap().is_none());
    }

    #[test]
    fn no_bound_is_passed_by_joining() {
        let wide = |letter: &str| {
            let text = letter.repeat(BATCH_BYTES_MAX * 2 / 3);
            RecordBatch::try_from_iter([("t", Arc::new(StringArray::from(vec![text])) as _)]).unwrap()
        };
        let mut coalesce = Coalesce::default();
        let sent: Vec<_> = [wide("a"), wide("b")].into_iter().flat_map(|batch| coalesce.push(batch).unwrap()).collect();
        assert_eq!(sent.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let rows = |count| {
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap()
        };
        let mut coalesce = Coalesce::default();
        assert!(coalesce.push(rows(3)).unwrap().is_empty());
        assert!(coalesce.push(rows(4)).unwrap().is_empty());
        assert_eq!(coalesce.flush().unwrap().unwrap().num_rows(), 7);
    }
}
