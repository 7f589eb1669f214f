//! Rows of small appends: kept as they are until they are known to go into a version, then encoded together.

use tokio::task::spawn_blocking;

use super::{
    StageTarget,
    rows::Rows,
    stage::{Stage, Staged},
};
use crate::engine::{Error, Result};

/// What an append has written, of which no version knows yet. Dropping it leaves nothing.
pub(crate) enum Written {
    /// Few rows, of which there are no files yet.
    Rows(FewRows),
    /// Durable files.
    Files(Staged),
}

/// Few rows as they will be in files. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct FewRows {
    pub(super) parts: Vec<Rows>,
    /// How many.
    pub(crate) count: u64,
    /// What they occupy.
    pub(crate) bytes: usize,
}

impl Written {
    /// How many rows.
    pub(crate) fn rows(&self) -> u64 {
        match self {
            Self::Rows(rows) => rows.count,
            Self::Files(staged) => staged.rows,
        }
    }
}

/// Makes durable files of rows that belong to one table, as few as if one append had written them all, in their order.
///
/// It all happens on one thread of tokio's pool, so that a small file costs no more than its own work.
///
/// # Errors
/// As [`Stage::write`] and [`Stage::finish`]; then nothing is left of any of them.
pub(crate) async fn write_together(target: StageTarget, rows: Vec<FewRows>) -> Result<Staged> {
    let stage = Stage::begin(target)?;
    let count = rows.iter().map(|rows| rows.count).sum();
    let chunk = rows.into_iter().flat_map(|rows| rows.parts).collect();
    // Dropped with its answer by a runtime that ends meanwhile: then the files go, too.
    let staged = spawn_blocking(move || stage.write_once(chunk, count)).await;
    staged.map_err(|died| Error::internal("could not write a data file", died))?
}
