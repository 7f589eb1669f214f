//! Rows in the order they came, gathered into larger batches; all in memory, or all in a file.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::concat_batches,
    datatypes::SchemaRef,
};
use tokio::task::spawn_blocking;

use super::{MemoryBudget, SourceRows, budget::Reservation, spill::Spill};
use crate::{
    delta::scan::bytes_of,
    engine::{Error, Result},
};

/// Batches are gathered up to this: a column of one is worth a look-up, and the arrays of some millions of rows are
/// still few enough to be passed along together.
const GATHERED_ROWS_MAX: usize = 64 * 1024;
const GATHERED_BYTES_MAX: usize = 4 << 20;

/// Of a small budget only this part is gathered.
const GATHERED_SHARE: usize = 16;

/// Rows stay in memory while they take up no more than this part of the budget: the other is the index's, whose size
/// decides how often the target is scanned. When they are written to a file it gets everything.
const KEPT_SHARE: usize = 2;

/// Takes rows. Dropping it removes what was spilled.
pub(crate) struct Spool {
    schema: SchemaRef,
    memory: MemoryBudget,
    directory: Arc<Path>,
    /// Not yet gathered; these may be parts of larger buffers.
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    kept: Kept,
}

enum Kept {
    Memory {
        batches: Vec<RecordBatch>,
        reservation: Reservation,
    },
    File(Box<Spill>),
    /// A thread has them; or a call was given up or failed, and they are gone.
    Away,
}

impl Spool {
    pub(crate) fn new(schema: SchemaRef, memory: MemoryBudget, directory: PathBuf) -> Self {
        let reservation = memory.reservation();
        Self {
            schema,
            memory,
            directory: directory.into(),
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            kept: Kept::Memory { batches: Vec::new(), reservation },
        }
    }

    /// Keeps rows: what goes beyond the budget is written to a file, on a thread that may block.
    ///
    /// # Errors
    /// `InvalidArgument` if the columns differ; `ResourceExhausted`, with the directory and the option's name, if it
    /// cannot be written to.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let (rows, bytes) = (batch.num_rows(), bytes_of(&batch));
        let batch = rows_of(&self.schema, batch.columns().to_vec())?;
        if rows == 0 {
            return Ok(());
        }
        let bytes_max = (self.memory.bytes_max() / GATHERED_SHARE).min(GATHERED_BYTES_MAX);
        if self.pending_rows + rows > GATHERED_ROWS_MAX || self.pending_bytes + bytes > bytes_max {
            self.keep_pending().await?;
        }
        self.pending.push(batch);
        self.pending_rows += rows;
        self.pending_bytes += bytes;
        Ok(())
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(crate) async fn finish(mut self) -> Result<SourceRows> {
        self.keep_pending().await?;
        match self.kept {
            Kept::Memory { batches, reservation } => Ok(SourceRows::new(self.schema, batches, Some(reservation))),
            Kept::File(spill) => {
                let batches = blocking(move || spill.finish()).await?;
                Ok(SourceRows::new(self.schema, batches, None))
            }
            Kept::Away => Err(given_up()),
        }
    }

    async fn keep_pending(&mut self) -> Result<()> {
        let pending = mem::take(&mut self.pending);
        (self.pending_rows, self.pending_bytes) = (0, 0);
        if pending.is_empty() {
            return Ok(());
        }
        // Of a single batch it would make no copy.
        let none = RecordBatch::new_empty(Arc::clone(&self.schema));
        let gathered = concat_batches(&self.schema, pending.iter().chain([&none])).map_err(uncopied)?;
        drop(pending);
        self.keep(gathered).await
    }

    async fn keep(&mut self, batch: RecordBatch) -> Result<()> {
        self.kept = match mem::replace(&mut self.kept, Kept::Away) {
            Kept::Memory { mut batches, mut reservation } => {
                let left_to_others = self.memory.bytes_max() - self.memory.bytes_max() / KEPT_SHARE;
                let fits = reservation.try_grow(batch.get_array_memory_size(), left_to_others);
                batches.push(batch);
                if fits {
                    Kept::Memory { batches, reservation }
                } else {
                    let (directory, schema) = (Arc::clone(&self.directory), Arc::clone(&self.schema));
                    blocking(move || {
                        let _held_meanwhile = reservation;
                        let mut spill = Spill::create(&directory, &schema)?;
                        batches.into_iter().try_for_each(|batch| spill.write(&batch))?;
                        Ok(Kept::File(Box::new(spill)))
                    })
                    .await?
                }
            }
            Kept::File(mut spill) => blocking(move || spill.write(&batch).map(|()| Kept::File(spill))).await?,
            Kept::Away => return Err(given_up()),
        };
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| Error::internal("keeping rows of the MERGE", error))?
}

fn uncopied(error: arrow::error::ArrowError) -> Error {
    Error::internal("gathering rows of the MERGE", error)
}

fn given_up() -> Error {
    Error::internal("keeping rows of the MERGE", "an earlier call was given up")
}

/// Rows of a schema.
///
/// # Errors
/// `InvalidArgument` if the columns are others.
pub(crate) fn rows_of(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let rows = RecordBatch::try_new(Arc::clone(schema), columns);
    rows.map_err(|error| Error::InvalidArgument(format!("the rows have other columns: {error}")))
}
