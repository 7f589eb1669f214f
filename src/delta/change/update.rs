//! New rows of an UPDATE: what is set, and of the other columns what was there.

use arrow::array::RecordBatch;

use super::feed::Feed;
use crate::{
    delta::{scan::RowPlace, snapshot::DeltaSnapshot, write::Stage},
    engine::{Error, Result},
};

/// The new rows of one statement. Dropping it removes what it has staged, in the background.
pub(crate) struct NewRows {}

impl NewRows {
    /// `columns` are set; with `feed` the old rows are wanted whole.
    pub(crate) async fn begin(_base: &DeltaSnapshot, _columns: &[usize], _feed: bool) -> Result<Self> {
        Err(Error::Unsupported("UPDATE".to_owned()))
    }

    /// Takes the values of the columns that are set, for the rows at `places`. With `returning` it answers with the new
    /// rows, of all columns, in that order.
    pub(crate) async fn write(
        &mut self,
        _values: RecordBatch,
        _places: Vec<RowPlace>,
        _returning: bool,
        _feed: Option<&mut Feed>,
    ) -> Result<Option<RecordBatch>> {
        Err(Error::Unsupported("UPDATE".to_owned()))
    }

    /// All rows are staged now; the stage takes more.
    pub(crate) async fn finish(self, _feed: Option<&mut Feed>) -> Result<Stage> {
        Err(Error::Unsupported("UPDATE".to_owned()))
    }

    /// Gives up and waits until everything staged has been removed.
    pub(crate) async fn abort(self) {}
}
