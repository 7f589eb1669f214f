//! Chunks of rows, in the order they come: what is needed of old rows is fetched, and new rows are made.

use std::{iter, sync::Arc};

use tokio::sync::mpsc;

use super::{
    Limits,
    clause::ClauseRows,
    pieces::{Old, Pieces},
    writer::Writer,
};
use crate::{
    delta::{
        merge::source::SourceRows,
        scan::{RowFetcher, RowPlace},
        snapshot::DeltaSnapshot,
    },
    engine::Result,
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
    fetched_bytes: usize,
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
        Ok(Self {
            clauses,
            pieces: Pieces::new(Arc::clone(source), writer, limits.piece_bytes),
            fetched_bytes: limits.fetched_bytes,
        })
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
        self.pieces.writer().drop_feed();
    }

    pub(super) fn into_writer(self) -> Writer {
        self.pieces.into_writer()
    }

    async fn make(&mut self, clause: usize, mut chunk: Chunk) -> Result<()> {
        let Self { clauses, pieces, fetched_bytes } = self;
        let Some(OfClause { rows, fetcher }) = clauses.get_mut(clause).and_then(Option::as_mut) else { return Ok(()) };
        let Some(fetcher) = fetcher else {
            let all = 0..chunk.rows();
            return pieces.make(rows, &Arc::new(chunk), all, None).await;
        };
        chunk.sort();
        let chunk = Arc::new(chunk);
        let starts = chunk.starts();
        let distinct: Vec<RowPlace> = starts.iter().map_while(|start| chunk.places.get(*start).copied()).collect();
        let mut done = 0;
        while done < distinct.len() {
            let old = fetcher.fetch_first(&distinct[done..], *fetched_bytes).await?;
            let starts = &starts[done..=done + old.num_rows()];
            done += old.num_rows();
            let of_old = starts[0]..starts[old.num_rows()];
            pieces.make(rows, &chunk, of_old, Some(Old::new(old, starts))).await?;
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
        iter::once(0).chain(ends).collect()
    }
}
