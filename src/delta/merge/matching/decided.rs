//! Rows whose clause is known, gathered to batches.

use tokio::sync::mpsc::Sender;

use super::probe::Places;
use crate::{
    delta::{merge::source::Pairs, scan::RowPlace},
    engine::Result,
};

/// How many rows are sent on together: what is done with them costs something each time, a look into files above all, and
/// so many take but some hundreds of KiB.
const ROWS_MAX: usize = 16 * 1024;

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
#[derive(Debug)]
pub(super) struct Gathered {
    waiting: Vec<Decided>,
    to: Sender<Result<Decided>>,
}

/// Nobody wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwanted;

impl Gathered {
    pub(super) fn new(to: Sender<Result<Decided>>) -> Self {
        Self { waiting: Vec::new(), to }
    }

    /// Adds pairs of the rows at `places`. Blocks while enough batches wait to be taken.
    pub(super) fn add(&mut self, clause: usize, places: &Places<'_>, pairs: Pairs) -> Result<(), Unwanted> {
        let waiting = self.of(clause);
        waiting.places.extend(places.of(pairs.target.into_iter()));
        waiting.source.extend(pairs.source);
        match waiting.places.len() >= ROWS_MAX {
            false => Ok(()),
            true => {
                let full = std::mem::replace(waiting, Decided::none(clause));
                self.send(full)
            }
        }
    }

    /// Sends on what waits.
    pub(super) fn flush(&mut self) -> Result<(), Unwanted> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter(|decided| !decided.places.is_empty()).try_for_each(|decided| self.send(decided))
    }

    fn of(&mut self, clause: usize) -> &mut Decided {
        let at = self.waiting.iter().position(|decided| decided.clause == clause).unwrap_or_else(|| {
            self.waiting.push(Decided::none(clause));
            self.waiting.len() - 1
        });
        &mut self.waiting[at]
    }

    fn send(&self, decided: Decided) -> Result<(), Unwanted> {
        self.to.blocking_send(Ok(decided)).map_err(|_| Unwanted)
    }
}

impl Decided {
    const fn none(clause: usize) -> Self {
        Self { clause, places: Vec::new(), source: Vec::new() }
    }
}
