//! Rows of the source, found by their keys.

use std::ops::Range;

use arrow::{
    array::{ArrayRef, RecordBatch},
    buffer::NullBuffer,
    error::ArrowError,
};

use super::{
    MemoryBudget, SourceRows,
    bounds::KeyBounds,
    budget::Reservation,
    packed::bits,
    sides::{Candidates, SourceSide, needed},
    table::{ENCODED_ENTRY_BYTES, ENTRIES_MAX, Encoded, Numbers, packed_entry_bytes},
};
use crate::{
    engine::{Error, Predicate, Result},
    merge::MergePlan,
};

/// Rows are added in pieces of at most this many.
const PIECE_ROWS: usize = 8192;
const PIECE_ROWS_MIN: usize = 1024;

/// This part of the budget is left to others, such as RETURNING.
const SHARE_LEFT: usize = 8;

/// Some rows of the source, in order, by the values of their keys. Those for which a condition on the source alone does
/// not hold, and those with a NULL in a key that NULL does not equal, are not in it.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    rows: Range<u64>,
    side: SourceSide,
    table: Table,
    predicate: Predicate,
    _memory: Reservation,
}

/// The rows are numbered from the index's first.
#[derive(Debug)]
enum Table {
    /// There are no keys.
    All(Vec<u32>),
    Narrow(Numbers<u64>),
    Wide(Numbers<u128>),
    Encoded(Box<Encoded>),
}

/// Rows of a batch of the target, each beside a row of the source; `target[i]` and `source[i]` belong together. All
/// pairs of a row of the target follow one another.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Rows of the batch, ascending.
    pub(crate) target: Vec<u32>,
    /// Rows of the source, ascending for each row of the batch.
    pub(crate) source: Vec<u64>,
}

/// Where the pairs of a batch go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PairsFrom {
    /// The row of the batch.
    pub(crate) row: usize,
    /// How many of its pairs have been seen.
    pub(crate) seen: usize,
}

impl KeyIndex {
    /// The rows from `first` on, as many as the memory left admits, at least one. Blocks: call it on a thread that
    /// may.
    ///
    /// # Errors
    /// `InvalidArgument` where a key cannot be computed; `ResourceExhausted` if not even one row fits.
    pub(crate) fn build(plan: &MergePlan, rows: &SourceRows, first: u64, memory: &MemoryBudget) -> Result<Self> {
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

    /// Which rows of the source were looked at, those that cannot match included. The next index begins at its end.
    pub(crate) fn rows(&self) -> Range<u64> {
        self.rows.clone()
    }

    /// Which rows of the target can match one of these at all, by their keys; the target's own conditions are not in it.
    pub(crate) fn predicate(&self) -> Predicate {
        self.predicate.clone()
    }

    /// The pairs with equal keys for rows of the target, whose `keys` are those of [`super::target_keys`], at most `pairs_max`
    /// (at least one) at a time: those of rows from `from` on, and where to go on. Without keys every row pairs with every
    /// other.
    ///
    /// # Errors
    /// `Internal` for keys of other types.
    pub(crate) fn pairs(
        &self,
        keys: &[ArrayRef],
        rows: usize,
        from: PairsFrom,
        pairs_max: usize,
    ) -> Result<(Pairs, Option<PairsFrom>)> {
        let mut found = Found { pairs: Pairs::default(), first: self.rows.start, pairs_max, at: from, skip: from.seen };
        let mut more = false;
        let visit = |row, source| {
            let kept = found.push(row, source);
            more |= !kept;
            kept
        };
        self.look_up(keys, (from.row, rows), visit)?;
        Ok((found.pairs, more.then_some(found.at)))
    }

    /// Two rows of the source with equal keys, the first that repeats and the one before it, if the second is one of this
    /// index. Where there are several indexes, [`Self::repeated_after`] tells of the pairs between them.
    pub(crate) fn repeated(&self) -> Option<(u64, u64)> {
        let (earlier, later) = match &self.table {
            Table::All(_) => None,
            Table::Narrow(numbers) => numbers.repeated(),
            Table::Wide(numbers) => numbers.repeated(),
            Table::Encoded(encoded) => encoded.repeated(),
        }?;
        Some((self.rows.start + u64::from(earlier), self.rows.start + u64::from(later)))
    }

    /// Two rows of the source with equal keys, one of this index and one that comes after it. With [`Self::repeated`], asked
    /// of every index over a source, no pair is missed. Blocks.
    ///
    /// # Errors
    /// `InvalidArgument` where a key cannot be computed.
    pub(crate) fn repeated_after(&self, rows: &SourceRows) -> Result<Option<(u64, u64)>> {
        if matches!(self.table, Table::All(_)) {
            return Ok(None);
        }
        let mut start = self.rows.end;
        while let Some(piece) = piece(rows, start, PIECE_ROWS) {
            let later = self.side.candidates(&piece)?;
            let mut found = None;
            self.look_up(&later.keys, (0, later.rows.len()), |row, earlier| {
                found = Some((self.rows.start + u64::from(earlier), start + u64::from(later.rows[row])));
                false
            })?;
            if found.is_some() {
                return Ok(found);
            }
            start += piece.num_rows() as u64;
        }
        Ok(None)
    }

    fn look_up(&self, keys: &[ArrayRef], range: (usize, usize), visit: impl FnMut(usize, u32) -> bool) -> Result<()> {
        let nulls_equal = &self.side.nulls_equal;
        if keys.len() != nulls_equal.len() {
            return Err(Error::internal("looking up keys", "there are not as many as the index has"));
        }
        let nulls = needed(keys, nulls_equal);
        let wanted = |row| nulls.as_ref().is_none_or(|nulls: &NullBuffer| nulls.is_valid(row));
        match &self.table {
            Table::All(all) => every(all, range, visit),
            Table::Narrow(numbers) => numbers.look_up(keys, nulls_equal, range, wanted, visit),
            Table::Wide(numbers) => numbers.look_up(keys, nulls_equal, range, wanted, visit),
            Table::Encoded(encoded) => encoded.look_up(keys, range, wanted, visit).map_err(failure)?,
        }
        Ok(())
    }
}

fn every(all: &[u32], (first, end): (usize, usize), mut visit: impl FnMut(usize, u32) -> bool) {
    for row in first..end {
        for source in all {
            if !visit(row, *source) {
                return;
            }
        }
    }
}

/// Pairs as they are found.
struct Found {
    pairs: Pairs,
    first: u64,
    pairs_max: usize,
    at: PairsFrom,
    /// Pairs of the first row that were seen before.
    skip: usize,
}

impl Found {
    /// False if there is no more room; then `at` is where it belongs.
    fn push(&mut self, row: usize, source: u32) -> bool {
        if row != self.at.row {
            self.at = PairsFrom { row, seen: 0 };
            self.skip = 0;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        if self.pairs.target.len() >= self.pairs_max {
            return false;
        }
        // A batch has fewer rows than that.
        self.pairs.target.push(row as u32);
        self.pairs.source.push(self.first + u64::from(source));
        self.at.seen += 1;
        true
    }
}

/// The rows from one on, of a single batch, at most so many.
fn piece(rows: &SourceRows, first: u64, rows_max: usize) -> Option<RecordBatch> {
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
    Error::internal("looking up keys", error)
}
