//! New rows of an UPDATE: what is set, and of the other columns what was there.
//!
//! A statement that wants its rows back is answered batch by batch. Otherwise batches are gathered into chunks, so that
//! the rows of many are fetched at once, and while one chunk is fetched the next is gathered and the last is encoded.
//!
//! # Memory
//!
//! Two chunks of values, each [`Limits::chunk_rows`] or [`Limits::chunk_bytes`] and one batch, what is fetched for one of
//! them, at most [`Limits::fetched_bytes`] or one row, and what [`RowFetcher`] and [`Stage`] hold. A batch that is to be
//! answered is fetched whole, however wide its rows are: the caller wants them all.

mod columns;

use arrow::array::RecordBatch;
use tokio::task::JoinSet;

use self::columns::Columns;
use super::feed::{ChangeType, Feed};
use crate::{
    delta::{
        rules::Rules,
        scan::{RowFetcher, RowPlace, bytes_of},
        snapshot::DeltaSnapshot,
        write::{Stage, already_failed},
    },
    engine::{Error, Result},
};

/// The bounds of one statement.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Rows fetched at once. The more, the fewer pages are decoded for two chunks; the fewer, the sooner encoding begins.
    /// As many as the encoder takes at once.
    chunk_rows: usize,
    /// Bytes of the values of a chunk, for wide ones.
    chunk_bytes: usize,
    /// Bytes of the rows fetched for a chunk; of wider ones it is fetched in pieces.
    fetched_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chunk_rows: 64 * 1024, chunk_bytes: 16 << 20, fetched_bytes: 64 << 20 }
    }
}

/// The new rows of one statement. Dropping it removes what it has staged, in the background.
pub(crate) struct NewRows {
    columns: Columns,
    rules: Rules,
    stage: Stage,
    limits: Limits,
    /// `None` if nothing of the old rows is wanted, or while a chunk is fetched.
    fetcher: Option<RowFetcher>,
    fetches: bool,
    gathered: Chunk,
    /// At most one chunk being fetched; ended when dropped.
    fetching: JoinSet<Fetched>,
}

/// Values of the columns that are set, and for which rows.
#[derive(Default)]
struct Chunk {
    values: Vec<RecordBatch>,
    places: Vec<RowPlace>,
    bytes: usize,
}

/// A chunk, and what was fetched of its first rows.
struct Fetched {
    chunk: Chunk,
    fetcher: RowFetcher,
    old_rows: Result<RecordBatch>,
}

impl NewRows {
    /// `columns` are set; with `feed` the old rows are wanted whole.
    pub(crate) async fn begin(base: &DeltaSnapshot, columns: &[usize], feed: bool) -> Result<Self> {
        Self::begin_within(base, columns, feed, Limits::default()).await
    }

    async fn begin_within(base: &DeltaSnapshot, columns: &[usize], feed: bool, limits: Limits) -> Result<Self> {
        let definition = base.definition();
        let rules = definition.rules(base.table().store().name())?;
        let columns = Columns::new(&definition.schema().logical, columns, &rules, feed)?;
        let fetcher = match &columns.fetched[..] {
            [] => None,
            fetched => Some(RowFetcher::new(base.source().await?, fetched.to_vec())?),
        };
        let stage = Stage::begin(base.table().stage_target(definition))?;
        let (gathered, fetching) = (Chunk::default(), JoinSet::new());
        Ok(Self { columns, rules, stage, limits, fetches: fetcher.is_some(), fetcher, gathered, fetching })
    }

    /// Takes the values of the columns that are set, for the rows at `places`. With `returning` it answers with the new
    /// rows, of all columns, in that order.
    ///
    /// # Errors
    /// `InvalidArgument` if the columns are not those that are set, or a new row breaks a rule of the table. Without
    /// `returning` a later call may tell of it. After an error it takes nothing more.
    pub(crate) async fn write(
        &mut self,
        values: RecordBatch,
        places: Vec<RowPlace>,
        returning: bool,
        feed: Option<&mut Feed>,
    ) -> Result<Option<RecordBatch>> {
        if self.stage.has_failed() {
            return Err(already_failed());
        }
        let taken = self.take(values, places, returning, feed).await;
        self.or_stop(taken)
    }

    /// All rows are staged now; the stage takes more.
    pub(crate) async fn finish(mut self, mut feed: Option<&mut Feed>) -> Result<Stage> {
        if self.stage.has_failed() {
            return Err(already_failed());
        }
        self.settle(feed.as_deref_mut()).await?;
        self.fetch_gathered();
        self.settle(feed).await?;
        Ok(self.stage)
    }

    /// Gives up and waits until everything staged has been removed.
    pub(crate) async fn abort(self) {
        drop(self.fetching);
        self.stage.abort().await;
    }

    /// After an error everything staged is removed.
    fn or_stop<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.gathered = Chunk::default();
            self.stage.stop();
        }
        outcome
    }

    async fn take(
        &mut self,
        values: RecordBatch,
        places: Vec<RowPlace>,
        returning: bool,
        feed: Option<&mut Feed>,
    ) -> Result<Option<RecordBatch>> {
        let values = self.columns.set_of(&values)?;
        if values.num_rows() != places.len() {
            let counts = format!("{} rows of values for {} places", values.num_rows(), places.len());
            return Err(Error::internal("an UPDATE's values and rows differ", counts));
        }
        if returning || !self.fetches {
            let old_rows = match &mut self.fetcher {
                Some(fetcher) => Some(fetcher.fetch(&places).await?),
                None => None,
            };
            return self.stage_rows(&values, old_rows.as_ref(), feed).await.map(Some);
        }
        self.gathered.bytes += bytes_of(&values);
        self.gathered.values.push(values);
        self.gathered.places.extend(places);
        if self.gathered.places.len() >= self.limits.chunk_rows || self.gathered.bytes >= self.limits.chunk_bytes {
            self.settle(feed).await?;
            self.fetch_gathered();
        }
        Ok(None)
    }

    /// Begins to fetch for what is gathered. Nothing may be being fetched.
    fn fetch_gathered(&mut self) {
        if self.gathered.places.is_empty() {
            return;
        }
        if let Some(mut fetcher) = self.fetcher.take() {
            let (chunk, bytes_max) = (std::mem::take(&mut self.gathered), self.limits.fetched_bytes);
            self.fetching.spawn(async move {
                let old_rows = fetcher.fetch_first(&chunk.places, bytes_max).await;
                Fetched { chunk, fetcher, old_rows }
            });
        }
    }

    /// Waits for what is being fetched, and stages it in the order it came.
    async fn settle(&mut self, mut feed: Option<&mut Feed>) -> Result<()> {
        let Some(fetched) = self.fetching.join_next().await else { return Ok(()) };
        let Fetched { chunk, mut fetcher, old_rows } =
            fetched.map_err(|source| Error::internal("fetching rows broke down", source))?;
        let mut old_rows = old_rows?;
        let mut left = &chunk.places[old_rows.num_rows()..];
        let mut used = 0;
        for values in &chunk.values {
            let mut done = 0;
            while done < values.num_rows() {
                if used == old_rows.num_rows() {
                    old_rows = fetcher.fetch_first(left, self.limits.fetched_bytes).await?;
                    (left, used) = (&left[old_rows.num_rows()..], 0);
                }
                let count = (values.num_rows() - done).min(old_rows.num_rows() - used);
                let old = old_rows.slice(used, count);
                self.stage_rows(&values.slice(done, count), Some(&old), feed.as_deref_mut()).await?;
                (done, used) = (done + count, used + count);
            }
        }
        self.fetcher = Some(fetcher);
        Ok(())
    }

    /// Stages new rows and answers with them; the feed has them as they were and as they are.
    async fn stage_rows(
        &mut self,
        values: &RecordBatch,
        old_rows: Option<&RecordBatch>,
        feed: Option<&mut Feed>,
    ) -> Result<RecordBatch> {
        let rows = self.columns.new_rows(values, old_rows)?;
        let rows = self.stage.write_ruled(&self.rules, &rows).await?;
        if let (Some(feed), Some(old_rows)) = (feed, old_rows) {
            feed.write(old_rows, ChangeType::UpdatePreimage).await?;
            feed.write(&rows, ChangeType::UpdatePostimage).await?;
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
