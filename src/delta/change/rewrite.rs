//! Copy-on-write: the rows of changed files that stay, written again.

use super::changed_rows::ChangedRows;
use crate::{
    delta::{snapshot::DeltaSnapshot, write::Stage},
    engine::{Error, Result},
};

/// Stages the live rows of the changed files that are not changed, reading several files at a time.
pub(crate) async fn stage_survivors(_base: &DeltaSnapshot, _changed: &ChangedRows, _stage: &mut Stage) -> Result<()> {
    Err(Error::Unsupported("copy-on-write".to_owned()))
}
