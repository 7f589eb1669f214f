//! Rows of the target as a scan makes them, where they are, and which of them match.

use arrow::{
    array::{AsArray, BooleanArray, RecordBatch, StructArray},
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::filter_record_batch,
    datatypes::{Int32Type, Int64Type, Schema},
};

use crate::{
    delta::{merge::source::Pairs, scan::RowPlace},
    engine::{Error, Result},
};

/// Rows of the target.
pub(super) struct Batch {
    /// The scanned columns.
    pub(super) rows: RecordBatch,
    files: ScalarBuffer<i32>,
    positions: ScalarBuffer<i64>,
    /// Which of them match, if that is asked.
    matched: Option<Vec<bool>>,
}

impl Default for Batch {
    fn default() -> Self {
        let (files, positions) = (Vec::new().into(), Vec::new().into());
        Self { rows: RecordBatch::new_empty(Schema::empty().into()), files, positions, matched: None }
    }
}

impl Batch {
    /// `rows` end with their ids. Which of them match is kept if `marks` says so.
    pub(super) fn of(rows: &RecordBatch, marks: bool) -> Result<Self> {
        let ids = rows.columns().last().and_then(|ids| ids.as_struct_opt()).map(StructArray::columns);
        let Some([_, files, positions]) = ids else {
            return Err(Error::internal("rows of the target cannot be placed", "they have no ids"));
        };
        let columns: Vec<usize> = (0..rows.num_columns() - 1).collect();
        Ok(Self {
            rows: rows.project(&columns).map_err(|source| Error::internal("rows without their ids", source))?,
            files: files.as_primitive::<Int32Type>().values().clone(),
            positions: positions.as_primitive::<Int64Type>().values().clone(),
            matched: marks.then(|| vec![false; rows.num_rows()]),
        })
    }

    /// The places of rows.
    pub(super) fn places(&self, rows: impl Iterator<Item = u32>) -> impl Iterator<Item = RowPlace> {
        // Neither number is negative.
        rows.map(|row| RowPlace {
            file: self.files[row as usize].unsigned_abs(),
            position: self.positions[row as usize].unsigned_abs(),
        })
    }

    /// Notes rows that match.
    pub(super) fn mark(&mut self, rows: &[u32]) {
        if let Some(matched) = &mut self.matched {
            rows.iter().for_each(|row| matched[*row as usize] = true);
        }
    }

    /// The rows that match, or the others; none if that is not kept.
    pub(super) fn rows_where(&self, wanted: bool) -> impl Iterator<Item = u32> {
        let matched = self.matched.iter().flatten();
        (0..).zip(matched).filter(move |(_, matched)| **matched == wanted).map(|(row, _)| row)
    }
}

/// Some rows of a batch.
pub(super) struct Candidates {
    pub(super) rows: RecordBatch,
    /// Where each is in the batch; `None` if these are all of it.
    at: Option<Vec<u32>>,
}

impl Candidates {
    pub(super) fn all(batch: &Batch) -> Self {
        Self { rows: batch.rows.clone(), at: None }
    }

    /// Those of the mask.
    pub(super) fn only(self, mask: BooleanBuffer) -> Result<Self> {
        if mask.count_set_bits() == mask.len() {
            return Ok(self);
        }
        let at = match &self.at {
            None => mask.set_indices_u32().collect(),
            Some(at) => mask.set_indices().map(|row| at[row]).collect(),
        };
        let rows = filter_record_batch(&self.rows, &BooleanArray::new(mask, None));
        Ok(Self { rows: rows.map_err(|source| Error::internal("rows cannot be filtered", source))?, at: Some(at) })
    }

    /// Makes pairs of these rows pairs of rows of the batch.
    pub(super) fn place(&self, pairs: &mut Pairs) {
        if let Some(at) = &self.at {
            pairs.target.iter_mut().for_each(|row| *row = at[*row as usize]);
        }
    }
}
