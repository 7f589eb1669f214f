//! The caller's side of an append: checks and gathers batches, and leads the files into a version or removes them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use deltalake_core::kernel::Add;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

use super::{
    AppendTarget, CommitAdds, Limits, OutcomeUnknown,
    batch::BatchCheck,
    budget::Budget,
    encoder::Encoder,
    layout::FileLayout,
    rows::Rows,
    staging::{Place, Staging},
};
use crate::{
    delta::{rules::Rules, schema::TableSchema},
    engine::{Append, CommitOutcome, Error, Result, Snapshot},
};

/// Parts that one file of an unpartitioned table uploads at once.
const UPLOAD_PARTS_MAX: usize = 8;

/// An append to a Delta table.
pub(super) struct DeltaAppend {
    check: BatchCheck,
    rules: Rules,
    limits: Limits,
    /// Rows that do not make a chunk yet.
    gathered: Vec<Rows>,
    gathered_rows: usize,
    gathered_bytes: usize,
    rows: u64,
    pub(super) budget: Arc<Budget>,
    encoder: EncoderState,
    table: Arc<TableSchema>,
    layout: Arc<FileLayout>,
    place: Place,
    base: Arc<dyn Snapshot>,
    commit: Box<dyn CommitAdds>,
}

enum EncoderState {
    /// No chunk has come.
    Idle,
    Running(Link),
    /// Told to stop; it answers when everything staged is removed.
    Stopping(oneshot::Receiver<Result<Staged>>),
    Gone,
}

/// The connection with the encoder's thread. Dropping it stops the encoder, which removes what it has staged.
struct Link {
    chunks: Option<mpsc::Sender<Vec<Rows>>>,
    outcome: Option<oneshot::Receiver<Result<Staged>>>,
    cancelled: Arc<AtomicBool>,
}

/// Durable files that no version knows yet.
struct Staged {
    adds: Vec<Add>,
    staging: Staging,
}

impl DeltaAppend {
    pub(super) fn begin(target: AppendTarget, mut limits: Limits) -> Result<Self> {
        let AppendTarget { store, local_root, schema, rules, stats_columns, base, commit } = target;
        let layout = Arc::new(FileLayout::new(&schema, &stats_columns)?);
        let place = match local_root {
            Some(root) => Place::Local(root),
            None => {
                let runtime =
                    Handle::try_current().map_err(|e| Error::internal("an upload needs a tokio runtime", e))?;
                // Of many partitions each has its own part to send.
                let parts_max = if schema.partition_columns.is_empty() { UPLOAD_PARTS_MAX } else { 1 };
                limits.open_files = limits.open_files.min(limits.open_uploads);
                Place::Remote { store, runtime, parts_max }
            }
        };
        Ok(Self {
            check: BatchCheck::new(&schema),
            rules,
            limits,
            gathered: Vec::new(),
            gathered_rows: 0,
            gathered_bytes: 0,
            rows: 0,
            budget: Budget::new(limits.encoding_bytes),
            encoder: EncoderState::Idle,
            table: schema,
            layout,
            place,
            base,
            commit,
        })
    }

    async fn take(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        self.check.check(batch)?;
        let batch = self.rules.apply(batch)?;
        if batch.num_rows() == 0 {
            return Ok(batch);
        }
        let columns = self.check.physical(&batch)?;
        let rows = Rows::new(columns, batch.num_rows());
        self.rows += rows.count as u64;
        self.gathered_rows += rows.count;
        self.gathered_bytes += rows.bytes;
        self.gathered.push(rows);
        if self.gathered_rows >= self.limits.chunk_rows || self.gathered_bytes >= self.limits.chunk_bytes {
            self.hand_over().await?;
        }
        Ok(batch)
    }

    /// Hands the gathered rows to the encoder, waiting while its queue is full.
    async fn hand_over(&mut self) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        if let EncoderState::Idle = self.encoder {
            self.encoder = EncoderState::Running(self.start()?);
        }
        let EncoderState::Running(link) = &mut self.encoder else { return Err(already_failed()) };
        let Some(chunks) = &link.chunks else { return Err(already_failed()) };
        if let Ok(place) = chunks.reserve().await {
            // Taken only now: a caller that stopped waiting has lost no rows.
            place.send(std::mem::take(&mut self.gathered));
            (self.gathered_rows, self.gathered_bytes) = (0, 0);
            return Ok(());
        }
        // It takes no more chunks: it has failed, and says why.
        Err(link.outcome().await.err().unwrap_or_else(already_failed))
    }

    fn start(&self) -> Result<Link> {
        let (chunks, waiting) = mpsc::channel(self.limits.queue_chunks);
        let (answer, outcome) = oneshot::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let work = Work {
            table: Arc::clone(&self.table),
            layout: Arc::clone(&self.layout),
            limits: self.limits,
            budget: Arc::clone(&self.budget),
            staging: Staging::new(self.place.clone()),
            cancelled: Arc::clone(&cancelled),
        };
        thread::Builder::new()
            .name("delta-encode".to_owned())
            // An answer that nobody takes is dropped here, and with it the files.
            .spawn(move || drop(answer.send(work.run(waiting))))
            .map_err(|e| Error::internal("could not start the encoder's thread", e))?;
        Ok(Link { chunks: Some(chunks), outcome: Some(outcome), cancelled })
    }

    /// The append has failed: everything staged is removed in the background.
    fn stop(&mut self) {
        self.gathered.clear();
        self.encoder = match std::mem::replace(&mut self.encoder, EncoderState::Gone) {
            EncoderState::Running(mut link) => link.outcome.take().map_or(EncoderState::Gone, EncoderState::Stopping),
            stopped => stopped,
        };
        if let EncoderState::Idle = self.encoder {
            self.encoder = EncoderState::Gone;
        }
    }
}

#[async_trait]
impl Append for DeltaAppend {
    async fn write(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        if let EncoderState::Stopping(_) | EncoderState::Gone = self.encoder {
            return Err(already_failed());
        }
        let taken = self.take(&batch).await;
        if taken.is_err() {
            self.stop();
        }
        taken
    }

    async fn commit(mut self: Box<Self>) -> Result<CommitOutcome> {
        self.hand_over().await?;
        let mut link = match std::mem::replace(&mut self.encoder, EncoderState::Gone) {
            EncoderState::Idle => return Ok(CommitOutcome::Committed(self.base)),
            EncoderState::Running(link) => link,
            EncoderState::Stopping(_) | EncoderState::Gone => return Err(already_failed()),
        };
        link.chunks = None;
        let staged = link.outcome().await?;
        let committing = commit_staged(self.commit, staged, self.rows);
        // A task of its own: a caller that goes away must not leave a commit half decided.
        tokio::spawn(committing).await.map_err(|e| Error::internal("the commit did not come to an end", e))?
    }

    async fn abort(mut self: Box<Self>) {
        self.stop();
        if let EncoderState::Stopping(outcome) = std::mem::replace(&mut self.encoder, EncoderState::Gone)
            && let Ok(Ok(staged)) = outcome.await
        {
            remove(staged.staging).await;
        }
    }
}

async fn commit_staged(commit: Box<dyn CommitAdds>, staged: Staged, rows: u64) -> Result<CommitOutcome> {
    let Staged { adds, mut staging } = staged;
    // From here on the files may belong to a version, also if the committer panics.
    staging.keep();
    let outcome = commit.commit(adds, rows).await;
    match &outcome {
        Ok(CommitOutcome::Committed(_)) => {}
        Err(e) if is_outcome_unknown(e) => {
            tracing::warn!(error = %e, "data files were left in place: their commit may have succeeded or not");
        }
        Ok(CommitOutcome::Conflict { .. }) | Err(_) => remove(staging).await,
    }
    outcome
}

fn is_outcome_unknown(error: &Error) -> bool {
    matches!(error, Error::Internal { source, .. } if source.is::<OutcomeUnknown>())
}

async fn remove(mut staging: Staging) {
    let removed = tokio::task::spawn_blocking(move || staging.remove()).await;
    if let Err(e) = removed {
        tracing::warn!(error = %e, "could not remove the data files of an append that was not committed");
    }
}

fn already_failed() -> Error {
    Error::FailedPrecondition("this append has failed before and takes nothing more".to_owned())
}

impl Link {
    /// What the encoder's thread came to.
    async fn outcome(&mut self) -> Result<Staged> {
        match self.outcome.take() {
            Some(outcome) => outcome.await.map_err(|e| Error::internal("the encoder's thread is gone", e))?,
            None => Err(already_failed()),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cancelled.store(true, Relaxed);
    }
}

/// What the encoder's thread works with.
struct Work {
    table: Arc<TableSchema>,
    layout: Arc<FileLayout>,
    limits: Limits,
    budget: Arc<Budget>,
    staging: Staging,
    cancelled: Arc<AtomicBool>,
}

impl Work {
    /// Whatever goes wrong, nothing staged is left when this returns an error.
    fn run(mut self, chunks: mpsc::Receiver<Vec<Rows>>) -> Result<Staged> {
        let encode = || {
            let Self { table, layout, limits, budget, staging, cancelled } = &mut self;
            let (table, layout, budget) = (Arc::clone(table), Arc::clone(layout), Arc::clone(budget));
            Encoder::new(table, layout, *limits, budget, staging)?.run(chunks, cancelled)
        };
        let encoded = catch_unwind(AssertUnwindSafe(encode))
            .unwrap_or_else(|_| Err(Error::internal("could not write a data file", "the encoder panicked")));
        match encoded {
            Ok(Some(adds)) => {
                tracing::debug!(files = adds.len(), peak_bytes = self.budget.peak_bytes(), "staged data files");
                Ok(Staged { adds, staging: self.staging })
            }
            Ok(None) => {
                self.staging.remove();
                Err(Error::FailedPrecondition("the append was given up".to_owned()))
            }
            Err(e) => {
                self.staging.remove();
                Err(e)
            }
        }
    }
}
