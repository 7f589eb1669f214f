//! What the clauses say, done: changed rows noted, new rows and the change data feed staged.

use std::sync::Arc;

use deltalake_core::kernel::Add;

use super::{
    matching::Matching,
    source::{MemoryBudget, SourceRows},
};
use crate::{
    delta::{change::ChangedRows, snapshot::DeltaSnapshot, write::Staged},
    engine::{Error, MergeCounts, Predicate, Result},
    merge::MergePlan,
};

/// What a MERGE makes of one version. Dropping it removes what was staged, in the background.
pub(crate) struct Applied {
    /// Rows that leave their files: updated and deleted ones.
    pub(crate) changed: ChangedRows,
    /// The staged files of new rows, and of rows that stay where files are written again; durable.
    pub(crate) adds: Vec<Add>,
    /// The staged files of the change data feed, durable.
    pub(crate) changes: Vec<Add>,
    /// Guards both.
    pub(crate) staged: Vec<Staged>,
    pub(crate) counts: MergeCounts,
    /// The rows that RETURNING gives back, if it was asked for.
    pub(crate) returned: Option<SourceRows>,
    /// As [`super::matching::Unmatched::could_matter`].
    pub(crate) could_matter: Predicate,
}

/// Does what the clauses say to the rows of `base` and of the source.
///
/// # Errors
/// As [`crate::engine::Merge::commit`]. What was staged is removed then.
pub(crate) async fn apply(
    _base: &DeltaSnapshot,
    _plan: &MergePlan,
    _matching: Matching,
    _source: &Arc<SourceRows>,
    _memory: &MemoryBudget,
) -> Result<Applied> {
    Err(Error::Unsupported("MERGE is not offered".to_owned()))
}
