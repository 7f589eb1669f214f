//! The places of one call, and what was read of them in the order they came in.

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    compute::{concat_batches, interleave},
    datatypes::SchemaRef,
    error::ArrowError,
};

use super::RowPlace;
use crate::engine::{Error, Result};

/// Places by file and position.
#[derive(Debug)]
pub(super) struct Wanted {
    files: Vec<(u32, Range<usize>)>,
    positions: Vec<u64>,
    /// For each place as it came in, where it stands by file and position; `None` if that is where it came.
    ranks: Option<Vec<usize>>,
}

impl Wanted {
    /// # Errors
    /// `Internal` if a place comes twice.
    pub(super) fn new(places: &[RowPlace]) -> Result<Self> {
        if places.is_sorted_by(|a, b| a < b) {
            return Ok(Self::sorted(places, None));
        }
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|place| places[*place]);
        let mut ranks = vec![0; places.len()];
        for (rank, place) in order.iter().enumerate() {
            ranks[*place] = rank;
        }
        let sorted: Vec<RowPlace> = order.into_iter().map(|place| places[place]).collect();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::internal("a row is asked for twice", format!("{:?}", twice[0])));
        }
        Ok(Self::sorted(&sorted, Some(ranks)))
    }

    fn sorted(places: &[RowPlace], ranks: Option<Vec<usize>>) -> Self {
        let mut files = Vec::new();
        let mut start = 0;
        for of_file in places.chunk_by(|a, b| a.file == b.file) {
            files.push((of_file[0].file, start..start + of_file.len()));
            start += of_file.len();
        }
        Self { files, positions: places.iter().map(|place| place.position).collect(), ranks }
    }

    /// The files' ordinals, ascending, and which of the positions are in each.
    pub(super) fn files(&self) -> impl Iterator<Item = (u32, Range<usize>)> {
        self.files.iter().cloned()
    }

    /// Ascending within each file.
    pub(super) fn positions(&self) -> &[u64] {
        &self.positions
    }

    /// The rows of `parts`, which have them by file and position, in the order that was asked for.
    pub(super) fn in_order(&self, schema: &SchemaRef, mut parts: Vec<RecordBatch>) -> Result<RecordBatch> {
        let rows: usize = parts.iter().map(RecordBatch::num_rows).sum();
        if rows != self.positions.len() {
            let wanted = self.positions.len();
            return Err(Error::internal("rows cannot be read", format!("{wanted} are wanted and {rows} came")));
        }
        let joined = match (&self.ranks, parts.pop()) {
            (None, Some(only)) if parts.is_empty() => return Ok(only),
            (None, last) => {
                parts.extend(last);
                concat_batches(schema, &parts)
            }
            (Some(ranks), last) => {
                parts.extend(last);
                reordered(schema, &parts, ranks)
            }
        };
        joined.map_err(|source| Error::internal("rows cannot be put in order", source))
    }
}

fn reordered(schema: &SchemaRef, parts: &[RecordBatch], ranks: &[usize]) -> Result<RecordBatch, ArrowError> {
    let by_rank: Vec<(usize, usize)> =
        parts.iter().enumerate().flat_map(|(part, rows)| (0..rows.num_rows()).map(move |row| (part, row))).collect();
    let order: Vec<(usize, usize)> = ranks.iter().map(|rank| by_rank[*rank]).collect();
    let column = |index: usize| -> Result<ArrayRef, ArrowError> {
        let of_parts: Vec<&dyn Array> = parts.iter().map(|part| part.column(index).as_ref()).collect();
        interleave(&of_parts, &order)
    };
    let columns = (0..schema.fields().len()).map(column).collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}
