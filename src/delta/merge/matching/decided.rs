//! Rows whose clause is known, gathered to batches.

use crate::delta::scan::RowPlace;

/// From how many rows on a batch is sent on: what is done with one costs something each time, a look into files above all,
/// and so many take but some hundreds of KiB.
const ROWS_FULL: usize = 16 * 1024;

/// Rows for which a clause has been found; never one that does nothing.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Its index in [`crate::merge::MergePlan::clauses`].
    pub(crate) clause: usize,
    /// Rows of the target. One that comes more than once, in one or several of these, matched several rows of the source.
    pub(crate) places: Vec<RowPlace>,
    /// For each, the row of the source it matched; empty for [`crate::merge::When::NotMatchedBySource`].
    pub(crate) source: Vec<u64>,
}

/// Rows that wait for company, by their clauses.
#[derive(Debug, Default)]
pub(super) struct Gathered(Vec<Decided>);

impl Gathered {
    /// Adds pairs of rows at these places.
    pub(super) fn add(&mut self, clause: usize, places: impl Iterator<Item = RowPlace>, source: Vec<u64>) {
        let at = self.0.iter().position(|decided| decided.clause == clause).unwrap_or_else(|| {
            self.0.push(Decided { clause, places: Vec::new(), source: Vec::new() });
            self.0.len() - 1
        });
        self.0[at].places.extend(places);
        self.0[at].source.extend(source);
    }

    /// Takes what need not wait any longer.
    pub(super) fn full(&mut self) -> Vec<Decided> {
        self.0.extract_if(.., |decided| decided.places.len() >= ROWS_FULL).collect()
    }

    /// Takes everything.
    pub(super) fn rest(&mut self) -> Vec<Decided> {
        self.0.drain(..).filter(|decided| !decided.places.is_empty()).collect()
    }
}
