//! Rows that become durable data files: checks and gathers batches, hands them to the encoder, and knows what was made
//! of them until a version has it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use arrow::record_batch::RecordBatch;
use deltalake_core::kernel::Add;
use tokio::sync::{mpsc, oneshot};

use super::{
    Limits, OutcomeUnknown, StageTarget,
    batch::BatchCheck,
    budget::Budget,
    encoder::Encoder,
    few::{FewRows, Written},
    layout::FileLayout,
    rows::Rows,
    staging::{Place, Staging},
};
use crate::{
    delta::{rules::Rules, schema::TableSchema},
    engine::{CommitOutcome, Error, Result},
};

/// Data files of one statement under way. Dropping it removes what was staged, in the background.
pub(crate) struct Stage {
    check: BatchCheck,
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

/// Durable files that no version knows yet. Dropping it removes them in the background.
pub(crate) struct Staged {
    /// A path is the file's place below the table's root, not yet percent-encoded (`Add` does that when it is
    /// serialised).
    pub(crate) adds: Vec<Add>,
    /// How many rows they hold together.
    pub(crate) rows: u64,
    staging: Staging,
}

impl Stage {
    /// Nothing is made before the first rows come.
    ///
    /// # Errors
    /// As [`super::begin_append`].
    pub(crate) fn begin(target: StageTarget) -> Result<Self> {
        Self::begin_within(target, Limits::default())
    }

    pub(super) fn begin_within(target: StageTarget, mut limits: Limits) -> Result<Self> {
        let place = Place::of(&target)?;
        let StageTarget { schema, stats_columns, naming, .. } = target;
        let layout = Arc::new(FileLayout::new(&schema, &stats_columns, naming)?);
        if let Place::Remote { .. } = place {
            limits.open_files = limits.open_files.min(limits.open_uploads);
        }
        Ok(Self {
            check: BatchCheck::new(&schema),
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
        })
    }

    /// Whether a call has failed: then it takes nothing more.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.encoder, EncoderState::Stopping(_) | EncoderState::Gone)
    }

    /// Whether no rows have come, and nothing has failed.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0 && !self.has_failed()
    }

    /// Stages rows of the table's columns as its rules make them, and answers with those.
    ///
    /// # Errors
    /// As [`Stage::write`]; `InvalidArgument` also if a row breaks a rule.
    pub(crate) async fn write_ruled(&mut self, rules: &Rules, batch: &RecordBatch) -> Result<RecordBatch> {
        if self.has_failed() {
            return Err(already_failed());
        }
        let ruled = self.check.check(batch).and_then(|()| rules.apply(batch));
        if ruled.is_err() {
            self.stop();
        }
        let ruled = ruled?;
        self.write(&ruled).await?;
        Ok(ruled)
    }

    /// Stages rows of the table's columns that satisfy its rules. Waits while the encoder is behind.
    ///
    /// # Errors
    /// `InvalidArgument` if the columns differ, or a value cannot be stored. After an error it takes nothing more.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.has_failed() {
            return Err(already_failed());
        }
        let taken = self.take(batch).await;
        if taken.is_err() {
            self.stop();
        }
        taken
    }

    async fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        self.check.check(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let columns = self.check.physical(batch)?;
        let rows = Rows::new(columns, batch.num_rows());
        self.rows += rows.count as u64;
        self.gathered_rows += rows.count;
        self.gathered_bytes += rows.bytes;
        self.gathered.push(rows);
        if self.gathered_rows >= self.limits.chunk_rows || self.gathered_bytes >= self.limits.chunk_bytes {
            self.hand_over().await?;
        }
        Ok(())
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
        let (work, cancelled) = (self.work(), Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&cancelled);
        thread::Builder::new()
            .name("delta-encode".to_owned())
            // An answer that nobody takes is dropped here, and with it the files.
            .spawn(move || drop(answer.send(work.run(|encoder| encoder.run(waiting, &stop)))))
            .map_err(|e| Error::internal("could not start the encoder's thread", e))?;
        Ok(Link { chunks: Some(chunks), outcome: Some(outcome), cancelled })
    }

    fn work(&self) -> Work {
        Work {
            table: Arc::clone(&self.table),
            layout: Arc::clone(&self.layout),
            limits: self.limits,
            budget: Arc::clone(&self.budget),
            staging: Staging::new(self.place.clone()),
        }
    }

    /// Makes durable files of these rows alone, here and now. Blocking.
    pub(super) fn write_once(self, chunk: Vec<Rows>, rows: u64) -> Result<Staged> {
        let staged = self.work().run(|encoder| encoder.run_once(chunk).map(Some))?;
        Ok(Staged { rows, ..staged })
    }

    /// It has failed: everything staged is removed in the background.
    pub(crate) fn stop(&mut self) {
        self.gathered.clear();
        self.encoder = match std::mem::replace(&mut self.encoder, EncoderState::Gone) {
            EncoderState::Running(mut link) => link.outcome.take().map_or(EncoderState::Gone, EncoderState::Stopping),
            stopped => stopped,
        };
        if let EncoderState::Idle = self.encoder {
            self.encoder = EncoderState::Gone;
        }
    }

    /// All rows as they are if they are few, otherwise in durable files.
    pub(super) async fn end(self) -> Result<Written> {
        let few = self.gathered_rows <= self.limits.shared_rows && self.gathered_bytes <= self.limits.shared_bytes;
        match self.encoder {
            EncoderState::Idle if few => {
                Ok(Written::Rows(FewRows { parts: self.gathered, count: self.rows, bytes: self.gathered_bytes }))
            }
            _ => Ok(Written::Files(self.finish().await?)),
        }
    }

    /// Makes durable files of all rows; of no rows, none.
    pub(crate) async fn finish(mut self) -> Result<Staged> {
        self.hand_over().await?;
        let mut link = match std::mem::replace(&mut self.encoder, EncoderState::Gone) {
            EncoderState::Idle => return Ok(Staged::nothing(self.place)),
            EncoderState::Running(link) => link,
            EncoderState::Stopping(_) | EncoderState::Gone => return Err(already_failed()),
        };
        link.chunks = None;
        Ok(Staged { rows: self.rows, ..link.outcome().await? })
    }

    /// Gives up and waits until everything staged has been removed.
    pub(crate) async fn abort(mut self) {
        self.stop();
        if let EncoderState::Stopping(outcome) = std::mem::replace(&mut self.encoder, EncoderState::Gone)
            && let Ok(Ok(staged)) = outcome.await
        {
            staged.remove().await;
        }
    }
}

/// The refusal of whatever comes after a failure.
pub(crate) fn already_failed() -> Error {
    Error::FailedPrecondition("this statement has failed before and takes nothing more".to_owned())
}

impl Staged {
    fn nothing(place: Place) -> Self {
        Self::of(Staging::new(place))
    }

    /// Files that hold no rows.
    pub(super) fn of(staging: Staging) -> Self {
        Self { adds: Vec::new(), rows: 0, staging }
    }

    /// The files may belong to a version from here on: dropping this removes nothing.
    pub(crate) fn keep(&mut self) {
        self.staging.keep();
    }

    /// They do not after all.
    pub(crate) fn release(&mut self) {
        self.staging.release();
    }

    /// The files are part of a version.
    pub(crate) async fn landed(self) {
        let mut staging = self.staging;
        // One that does not run leaves a marker, which is settled later.
        tokio::task::spawn_blocking(move || staging.landed()).await.ok();
    }

    /// Removes the files and waits until they are gone.
    pub(crate) async fn remove(self) {
        let mut staging = self.staging;
        let removed = tokio::task::spawn_blocking(move || staging.remove()).await;
        if let Err(e) = removed {
            tracing::warn!(error = %e, "could not remove the data files of a statement that was not committed");
        }
    }
}

/// Leads staged files into a version: `committing` is told of them by the caller. Unless they got there, or may have,
/// they are removed.
pub(crate) async fn settle(
    staged: Vec<Staged>,
    committing: impl Future<Output = Result<CommitOutcome>>,
) -> Result<CommitOutcome> {
    settle_by(staged, committing, |outcome| matches!(outcome, CommitOutcome::Committed(_))).await
}

/// As [`settle`], for an outcome of another kind: whether it `has_landed`.
pub(crate) async fn settle_by<T>(
    mut staged: Vec<Staged>,
    committing: impl Future<Output = Result<T>>,
    has_landed: impl Fn(&T) -> bool,
) -> Result<T> {
    // From here on the files may belong to a version, also if the committer panics.
    staged.iter_mut().for_each(Staged::keep);
    let outcome = committing.await;
    match &outcome {
        Ok(outcome) if has_landed(outcome) => {
            for staged in staged {
                staged.landed().await;
            }
        }
        Err(e) if is_outcome_unknown(e) => {
            tracing::warn!(error = %e, "data files were left in place: their commit may have succeeded or not");
        }
        Ok(_) | Err(_) => {
            for staged in staged {
                staged.remove().await;
            }
        }
    }
    outcome
}

/// Whether a commit that failed so may stand all the same.
pub(crate) fn is_outcome_unknown(error: &Error) -> bool {
    matches!(error, Error::Internal { source, .. } if source.is::<OutcomeUnknown>())
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

/// What an encoder works with.
struct Work {
    table: Arc<TableSchema>,
    layout: Arc<FileLayout>,
    limits: Limits,
    budget: Arc<Budget>,
    staging: Staging,
}

impl Work {
    /// Whatever goes wrong, nothing staged is left when this returns an error.
    fn run(mut self, encode: impl FnOnce(Encoder<'_>) -> Result<Option<Vec<Add>>>) -> Result<Staged> {
        let encoding = || {
            let Self { table, layout, limits, budget, staging } = &mut self;
            let (table, layout, budget) = (Arc::clone(table), Arc::clone(layout), Arc::clone(budget));
            encode(Encoder::new(table, layout, *limits, budget, staging)?)
        };
        let encoded = catch_unwind(AssertUnwindSafe(encoding))
            .unwrap_or_else(|_| Err(Error::internal("could not write a data file", "the encoder panicked")));
        match encoded {
            Ok(Some(adds)) => {
                tracing::debug!(files = adds.len(), peak_bytes = self.budget.peak_bytes(), "staged data files");
                Ok(Staged { adds, rows: 0, staging: self.staging })
            }
            Ok(None) => {
                self.staging.remove();
                Err(Error::FailedPrecondition("the statement was given up".to_owned()))
            }
            Err(e) => {
                self.staging.remove();
                Err(e)
            }
        }
    }
}
