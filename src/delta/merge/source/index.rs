//! Rows of the source, found by their keys.

use std::ops::Range;

use arrow::{array::ArrayRef, buffer::NullBuffer, error::ArrowError};

use super::{
    MemoryBudget, SourceRows,
    budget::Reservation,
    fill::{PIECE_ROWS, fill, piece},
    sides::{SourceSide, needed},
    table::{Encoded, Numbers},
};
use crate::{
    engine::{Error, Predicate, Result},
    merge::MergePlan,
};

/// Some rows of the source, in order, by the values of their keys. Those for which a condition on the source alone does
/// not hold, and those with a NULL in a key that NULL does not equal, are not in it.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    pub(super) rows: Range<u64>,
    pub(super) side: SourceSide,
    pub(super) table: Table,
    pub(super) predicate: Predicate,
    /// What the table takes.
    pub(super) _memory: Reservation,
}

/// The rows are numbered from the index's first.
#[derive(Debug)]
pub(super) enum Table {
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
        fill(plan, rows, first, memory)
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

fn failure(error: ArrowError) -> Error {
    Error::internal("looking up keys", error)
}
