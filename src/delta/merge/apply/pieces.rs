//! New rows made of as many rows at a time as memory admits.

use std::{iter::repeat_n, ops::Range, sync::Arc};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
};

use super::{
    clause::{ClauseRows, MergeAction},
    fitting::fitting,
    maker::Chunk,
    writer::Writer,
};
use crate::{
    delta::merge::source::SourceRows,
    engine::{Error, Result},
};

/// Makes new rows, and writes them.
pub(super) struct Pieces {
    source: Arc<SourceRows>,
    writer: Writer,
    bytes_max: usize,
}

impl Pieces {
    /// A piece takes as many rows of the source as make so many bytes, and at least one.
    pub(super) fn new(source: Arc<SourceRows>, writer: Writer, bytes_max: usize) -> Self {
        Self { source, writer, bytes_max }
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    pub(super) fn into_writer(self) -> Writer {
        self.writer
    }

    /// Makes new rows of these rows of a chunk; `old` has what is fetched for them.
    pub(super) async fn make(
        &mut self,
        clause: &Arc<ClauseRows>,
        chunk: &Arc<Chunk>,
        rows: Range<usize>,
        old: Option<Old>,
    ) -> Result<()> {
        let (mut left, first, old) = (rows.clone(), rows.start, old.map(Arc::new));
        while !left.is_empty() {
            let (clause, source, chunk) = (Arc::clone(clause), Arc::clone(&self.source), Arc::clone(chunk));
            let (piece, bytes_max) = (Piece { clause, source, chunk, first, old: old.clone() }, self.bytes_max);
            let rest = left.clone();
            let made = blocking(move || piece.make(rest, bytes_max)).await?;
            left.start += made.count;
            match (made.new, made.old) {
                (Some(new), old) => self.writer.write(made.action, &new, old.as_ref()).await?,
                (None, Some(old)) => self.writer.delete(&old).await?,
                (None, None) => {}
            }
        }
        Ok(())
    }
}

/// Old rows, and of which rows of a chunk they are.
pub(super) struct Old {
    rows: RecordBatch,
    /// The old row of each row of the chunk; `None` if they are one for one.
    of_rows: Option<Vec<u32>>,
}

impl Old {
    /// `starts` says for each of the rows where it comes first in the chunk, and where the last of them ends.
    pub(super) fn new(rows: RecordBatch, starts: &[usize]) -> Self {
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

/// What new rows are made of.
struct Piece {
    clause: Arc<ClauseRows>,
    source: Arc<SourceRows>,
    chunk: Arc<Chunk>,
    /// Of the chunk the first row that has an old one here.
    first: usize,
    old: Option<Arc<Old>>,
}

struct Made {
    action: MergeAction,
    /// Of how many rows of the chunk.
    count: usize,
    new: Option<RecordBatch>,
    /// Those that went, where somebody wants to know them.
    old: Option<RecordBatch>,
}

impl Piece {
    /// Of the first of `rows`, as many as memory admits.
    fn make(&self, rows: Range<usize>, bytes_max: usize) -> Result<Made> {
        let Self { clause, source, chunk, first, old } = self;
        // A row that is old for many must not be copied for all of them at once.
        let rows_max = old.as_ref().map_or(usize::MAX, |old| old.rows.num_rows().max(1));
        let end = rows.end.min(rows.start.saturating_add(rows_max));
        let of_source = chunk.source.get(rows.start..end).unwrap_or_default();
        let (count, source) = match &clause.read[..] {
            [] => (end - rows.start, None),
            read => {
                let count = fitting(source, read, of_source, bytes_max);
                (count, Some(source.take(read, &of_source[..count])?))
            }
        };
        let of_old = rows.start - first..rows.start - first + count;
        let old = old.as_ref().map(|old| old.piece(of_old)).transpose()?;
        let new = match clause.makes_rows() {
            true => Some(clause.make(old.as_ref(), source.as_ref(), count)?),
            false => None,
        };
        let old = match clause.tells_old {
            true => Some(clause.old_rows(old.as_ref(), count)?),
            false => None,
        };
        Ok(Made { action: clause.action, count, new, old })
    }
}

/// Runs work that may wait for mapped files.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let working = tokio::task::spawn_blocking(work);
    working.await.map_err(|source| Error::internal("making new rows broke down", source))?
}
