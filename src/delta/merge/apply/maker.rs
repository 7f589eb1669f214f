//! What else is needed of the rows of a chunk is fetched, and new rows are made of it, piece by piece.

use std::{iter::repeat_n, ops::Range, sync::Arc};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
};
use tokio::sync::mpsc;

use super::{Limits, clause::ClauseRows, writer::Writer};
use crate::{
    delta::{
        merge::source::SourceRows,
        scan::{RowFetcher, RowPlace},
        snapshot::DeltaSnapshot,
    },
    engine::{Error, Result},
    merge::MergePlan,
};

/// Rows of one clause.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Rows of the target; empty if they are of the source only.
    pub(super) places: Vec<RowPlace>,
    /// The row of the source of each; empty if they are of the target only.
    pub(super) source: Vec<u64>,
}

/// Makes new rows of chunks.
pub(super) struct Maker {
    /// `None` where nothing is made.
    clauses: Vec<Option<OfClause>>,
    pieces: Pieces,
}

/// A clause, and what reads old rows for it.
struct OfClause {
    rows: Arc<ClauseRows>,
    fetcher: Option<RowFetcher>,
}

impl Maker {
    pub(super) async fn new(
        base: &DeltaSnapshot,
        plan: &MergePlan,
        source: &Arc<SourceRows>,
        writer: Writer,
        limits: Limits,
    ) -> Result<Self> {
        let (generated, old_rows) = (writer.generated(), writer.old_rows());
        let mut clauses = Vec::with_capacity(plan.clauses.len());
        for clause in &plan.clauses {
            let rows = ClauseRows::of(plan, clause, &generated, &old_rows)?;
            clauses.push(match rows.filter(|rows| !rows.is_idle()) {
                Some(rows) => Some(OfClause::new(base, rows).await?),
                None => None,
            });
        }
        Ok(Self { clauses, pieces: Pieces { source: Arc::clone(source), writer, limits } })
    }

    /// Of which clauses it wants rows.
    pub(super) fn takes(&self) -> impl Iterator<Item = bool> {
        self.clauses.iter().map(Option::is_some)
    }

    /// Makes rows of chunks of the clauses with these numbers, until there are no more.
    pub(super) async fn run(mut self, mut chunks: mpsc::Receiver<(usize, Chunk)>) -> Result<Self> {
        while let Some((clause, chunk)) = chunks.recv().await {
            self.make(clause, chunk).await?;
        }
        Ok(self)
    }

    /// No row of the target is changed.
    pub(super) fn drop_feed(&mut self) {
        self.pieces.writer.drop_feed();
    }

    pub(super) fn into_writer(self) -> Writer {
        self.pieces.writer
    }

    async fn make(&mut self, clause: usize, mut chunk: Chunk) -> Result<()> {
        let Self { clauses, pieces } = self;
        let Some(OfClause { rows, fetcher }) = clauses.get_mut(clause).and_then(Option::as_mut) else { return Ok(()) };
        let Some(fetcher) = fetcher else { return pieces.make(rows, None, &chunk.source, chunk.rows()).await };
        chunk.sort();
        // Where each place comes first, and the end.
        let starts = chunk.starts();
        let distinct: Vec<RowPlace> = starts.iter().map_while(|start| chunk.places.get(*start).copied()).collect();
        let mut done = 0;
        while done < distinct.len() {
            let old = fetcher.fetch_first(&distinct[done..], pieces.limits.piece_bytes).await?;
            let starts = &starts[done..=done + old.num_rows()];
            done += old.num_rows();
            let (first, end) = (starts[0], starts[old.num_rows()]);
            let source = chunk.source.get(first..end).unwrap_or_default();
            pieces.make(rows, Some(&Old::new(old, starts)), source, end - first).await?;
        }
        Ok(())
    }
}

impl OfClause {
    async fn new(base: &DeltaSnapshot, rows: ClauseRows) -> Result<Self> {
        let fetcher = match &rows.fetched[..] {
            [] => None,
            fetched => Some(RowFetcher::new(base.source().await?, fetched.to_vec())?),
        };
        Ok(Self { rows: Arc::new(rows), fetcher })
    }
}

impl Chunk {
    pub(super) fn rows(&self) -> usize {
        self.places.len().max(self.source.len())
    }

    /// By places, so that they are fetched as they lie; rows of one place follow one another then.
    fn sort(&mut self) {
        if self.places.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_unstable_by_key(|row| self.places[*row]);
        self.places = order.iter().map(|row| self.places[*row]).collect();
        self.source = order.iter().filter_map(|row| self.source.get(*row).copied()).collect();
    }

    /// The first row of each place, and the end.
    fn starts(&self) -> Vec<usize> {
        let runs = self.places.chunk_by(|a, b| a == b).map(<[RowPlace]>::len);
        let ends = runs.scan(0, |end, run| {
            *end += run;
            Some(*end)
        });
        std::iter::once(0).chain(ends).collect()
    }
}

/// Old rows, and for which rows of a chunk they are.
struct Old {
    rows: RecordBatch,
    /// The old row of each row of the chunk; `None` if they are one for one.
    of_rows: Option<Vec<u32>>,
}

impl Old {
    /// `starts` says for each of the rows where it comes first, and where the last one ends.
    fn new(rows: RecordBatch, starts: &[usize]) -> Self {
        let count = starts.last().map_or(0, |end| end - starts[0]);
        let runs = || starts.windows(2).zip(0..).flat_map(|(run, row)| repeat_n(row, run[1] - run[0]));
        let of_rows = (count > rows.num_rows()).then(|| runs().collect());
        Self { rows, of_rows }
    }

    fn piece(&self, rows: Range<usize>) -> Result<RecordBatch> {
        let Some(of_rows) = &self.of_rows else { return Ok(self.rows.slice(rows.start, rows.len())) };
        take_record_batch(&self.rows, &UInt32Array::from_iter_values(of_rows[rows].iter().copied()))
            .map_err(|source| Error::internal("old rows cannot be repeated", source))
    }
}

/// Makes new rows of as many rows at a time as memory admits.
struct Pieces {
    source: Arc<SourceRows>,
    writer: Writer,
    limits: Limits,
}

impl Pieces {
    async fn make(
        &mut self,
        clause: &Arc<ClauseRows>,
        old: Option<&Old>,
        source_rows: &[u64],
        count: usize,
    ) -> Result<()> {
        let mut done = 0;
        while done < count {
            let piece = done..count;
            done = piece.end;
            let old = old.map(|old| old.piece(piece.clone())).transpose()?;
            let source_rows = source_rows.get(piece.clone()).unwrap_or_default().to_vec();
            let (clause, source) = (Arc::clone(clause), Arc::clone(&self.source));
            let action = clause.action;
            let made = blocking(move || made(&clause, &source, old.as_ref(), &source_rows, piece.len())).await?;
            match made {
                Made { new: Some(new), old } => self.writer.write(action, &new, old.as_ref()).await?,
                Made { new: None, old: Some(old) } => self.writer.delete(&old).await?,
                Made { new: None, old: None } => {}
            }
        }
        Ok(())
    }
}

/// New rows, and those they take the place of where somebody wants to know them.
struct Made {
    new: Option<RecordBatch>,
    old: Option<RecordBatch>,
}

fn made(
    clause: &ClauseRows,
    source: &SourceRows,
    old: Option<&RecordBatch>,
    source_rows: &[u64],
    count: usize,
) -> Result<Made> {
    let source = match &clause.read[..] {
        [] => None,
        read => Some(source.take(read, source_rows)?),
    };
    let new = if clause.makes_rows() { Some(clause.make(old, source.as_ref(), count)?) } else { None };
    let old = old.filter(|_| clause.tells_old).map(|old| clause.old_rows(old)).transpose()?;
    Ok(Made { new, old })
}

/// Runs work that may wait for mapped files.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let working = tokio::task::spawn_blocking(work);
    working.await.map_err(|source| Error::internal("making new rows broke down", source))?
}
