//! An index is filled with as many rows as the memory left admits.

use std::ops::Range;

use arrow::{array::RecordBatch, error::ArrowError};

use super::{
    MemoryBudget, SourceRows,
    bounds::KeyBounds,
    budget::Reservation,
    index::{KeyIndex, Table},
    packed::bits,
    sides::{Candidates, SourceSide},
    table::{ENCODED_ENTRY_BYTES, ENTRIES_MAX, Encoded, Numbers, packed_entry_bytes},
};
use crate::{
    engine::{Error, Predicate, Result},
    merge::MergePlan,
};

/// Rows are added in pieces of at most this many.
pub(super) const PIECE_ROWS: usize = 8192;
const PIECE_ROWS_MIN: usize = 1024;

/// This part of the budget is left to others, such as RETURNING.
const SHARE_LEFT: usize = 8;

/// As [`KeyIndex::build`].
pub(super) fn fill(plan: &MergePlan, rows: &SourceRows, first: u64, memory: &MemoryBudget) -> Result<KeyIndex> {
    let side = SourceSide::new(plan)?;
    let mut builder = Builder::new(plan, &side, (rows, first), memory)?;
    let mut end = first;
    while let Some(piece) = piece(rows, end, builder.room()) {
        let next = end + piece.num_rows() as u64;
        let mut candidates = side.candidates(&piece)?;
        // No more than `ENTRIES_MAX` rows are looked at.
        candidates.rows.iter_mut().for_each(|row| *row += (end - first) as u32);
        if !builder.add(candidates, &side.nulls_equal)? {
            builder.piece_rows /= 2;
            if builder.piece_rows > 0 && end == first {
                continue;
            }
            break;
        }
        end = next;
    }
    if end == first && first < rows.len() {
        return Err(too_little(memory));
    }
    Ok(builder.finish(side, first..end))
}

/// The rows from one on, of a single batch, at most so many.
pub(super) fn piece(rows: &SourceRows, first: u64, rows_max: usize) -> Option<RecordBatch> {
    let batch = rows.starts().partition_point(|start| *start <= first).checked_sub(1)?;
    let (batch, start) = (rows.batches().get(batch)?, rows.starts()[batch]);
    // A batch has fewer rows than that.
    let offset = (first - start) as usize;
    let length = rows_max.min(batch.num_rows() - offset);
    (length > 0).then(|| batch.slice(offset, length))
}

/// An index that is being filled.
struct Builder {
    table: Table,
    bounds: Vec<KeyBounds>,
    reservation: Reservation,
    left_to_others: usize,
    /// Entries at most.
    capacity: usize,
    /// Whether that is fewer than there are rows.
    limited: bool,
    piece_rows: usize,
}

impl Builder {
    fn new(
        plan: &MergePlan,
        side: &SourceSide,
        (rows, first): (&SourceRows, u64),
        memory: &MemoryBudget,
    ) -> Result<Self> {
        let left_to_others = memory.bytes_max() / SHARE_LEFT;
        let types = side.key_types(rows.schema())?;
        let keys = types.iter().zip(side.nulls_equal.iter().copied());
        let rows = usize::try_from(rows.len().saturating_sub(first)).unwrap_or(usize::MAX).min(ENTRIES_MAX);
        let bits = bits(keys);
        let entry_bytes = match bits {
            _ if types.is_empty() => size_of::<u32>(),
            Some(..=64) => packed_entry_bytes::<u64>(),
            Some(65..=128) => packed_entry_bytes::<u128>(),
            _ => 0,
        };
        let reservation = memory.reserve_up_to(rows.saturating_mul(entry_bytes), left_to_others);
        let capacity = reservation.bytes().checked_div(entry_bytes).unwrap_or(rows);
        let table = match bits {
            _ if types.is_empty() => Table::All(Vec::with_capacity(capacity)),
            Some(..=64) => Table::Narrow(Numbers::with_capacity(capacity)),
            Some(65..=128) => Table::Wide(Numbers::with_capacity(capacity)),
            _ => Table::Encoded(Box::new(Encoded::new(types).map_err(failure)?)),
        };
        let (bounds, limited, piece_rows) = (KeyBounds::all(plan), capacity < rows, PIECE_ROWS);
        Ok(Self { table, bounds, reservation, left_to_others, capacity, limited, piece_rows })
    }

    /// How many rows may be added at once.
    fn room(&self) -> usize {
        let entries = match &self.table {
            Table::All(rows) => rows.len(),
            Table::Narrow(numbers) => numbers.len(),
            Table::Wide(numbers) => numbers.len(),
            Table::Encoded(encoded) => encoded.len(),
        };
        let room = self.capacity - entries;
        // The last few places are not worth looking at a few rows at a time, of which conditions may leave none.
        if self.limited && entries > 0 && room < PIECE_ROWS_MIN { 0 } else { room.min(self.piece_rows) }
    }

    /// False, and nothing added, if there is no memory for them.
    fn add(&mut self, Candidates { rows, keys }: Candidates, nulls_equal: &[bool]) -> Result<bool> {
        match &mut self.table {
            Table::All(all) => all.extend(rows),
            Table::Narrow(numbers) => numbers.add(&keys, nulls_equal, rows.into_iter()),
            Table::Wide(numbers) => numbers.add(&keys, nulls_equal, rows.into_iter()),
            Table::Encoded(encoded) => {
                let encoded_keys = encoded.encode(&keys).map_err(failure)?;
                let bytes = encoded_keys.size() + rows.len() * ENCODED_ENTRY_BYTES;
                if !self.reservation.try_grow(bytes, self.left_to_others) {
                    return Ok(false);
                }
                encoded.add(encoded_keys, rows.into_iter());
            }
        }
        self.bounds.iter_mut().zip(&keys).for_each(|(bounds, values)| bounds.add(values));
        Ok(true)
    }

    fn finish(mut self, side: SourceSide, rows: Range<u64>) -> KeyIndex {
        let bytes = match &mut self.table {
            Table::All(all) => {
                all.shrink_to_fit();
                all.capacity() * size_of::<u32>()
            }
            Table::Narrow(numbers) => numbers.finish(),
            Table::Wide(numbers) => numbers.finish(),
            Table::Encoded(encoded) => encoded.finish(),
        };
        self.reservation.shrink_to(bytes);
        let predicate = Predicate::And(self.bounds.iter().map(KeyBounds::predicate).collect());
        KeyIndex { rows, side, table: self.table, predicate, _memory: self.reservation }
    }
}

fn too_little(memory: &MemoryBudget) -> Error {
    Error::ResourceExhausted(format!(
        "the keys of a single row of the source do not fit what is left of the {} MiB that --merge-memory-mib-max allows",
        memory.bytes_max() >> 20
    ))
}

fn failure(error: ArrowError) -> Error {
    Error::internal("encoding keys", error)
}
