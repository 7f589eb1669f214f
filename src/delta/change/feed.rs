//! The change data feed: every changed row as it was and as it is, in files under `_change_data`
//! (PROTOCOL.md, "Add CDC File").

use arrow::array::RecordBatch;

use crate::{
    delta::{snapshot::DeltaSnapshot, write::Staged},
    engine::{Error, Result},
};

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeType {
    Delete,
    UpdatePreimage,
    UpdatePostimage,
}

/// The changes of one statement. Dropping it removes its files in the background.
pub(crate) struct Feed {}

impl Feed {
    /// `None` unless the table keeps a change data feed (`delta.enableChangeDataFeed`).
    pub(crate) fn begin(_base: &DeltaSnapshot) -> Result<Option<Self>> {
        Ok(None)
    }

    /// Takes rows of all columns of the table, in the seam's types.
    pub(crate) async fn write(&mut self, _rows: &RecordBatch, _change: ChangeType) -> Result<()> {
        Err(Error::Unsupported("the change data feed".to_owned()))
    }

    /// Makes durable files.
    pub(crate) async fn finish(self) -> Result<Staged> {
        Err(Error::Unsupported("the change data feed".to_owned()))
    }

    /// Gives up and waits until everything staged has been removed.
    pub(crate) async fn abort(self) {}
}
