//! The commit of changed rows.

use deltalake_core::kernel::Add;

use super::changed_rows::ChangedRows;
use crate::{
    delta::snapshot::DeltaSnapshot,
    engine::{ChangeKind, CommitOutcome, Error, Result},
};

/// How rows leave their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// By deletion vectors.
    Vectors,
    /// Their files are written again without them.
    Rewrite,
}

impl Means {
    /// What the table's properties and the server's settings ask for.
    pub(crate) fn of(base: &DeltaSnapshot) -> Self {
        match base.table().writes_deletion_vectors(base.definition()) {
            true => Self::Vectors,
            false => Self::Rewrite,
        }
    }
}

/// What one statement changes. Its files are durable already.
#[derive(Debug)]
pub(crate) struct ChangeSet {
    pub(crate) kind: ChangeKind,
    pub(crate) means: Means,
    pub(crate) changed: ChangedRows,
    /// New rows; with [`Means::Rewrite`] also the rows that stay.
    pub(crate) adds: Vec<Add>,
    /// Files of the change data feed, as `Add`s: the commit makes `cdc` actions of them.
    pub(crate) changes: Vec<Add>,
}

/// Commits a change on top of whatever was committed since `base`, unless that touched the same rows.
pub(crate) async fn commit(_base: DeltaSnapshot, _set: ChangeSet) -> Result<CommitOutcome> {
    Err(Error::Unsupported("committing a change".to_owned()))
}
