//! What is to be read of a file for one call, piece by piece. Reading blocks.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
    error::ArrowError,
};
use parquet::arrow::arrow_reader::RowSelection;

use super::{
    super::{
        coalesce::bytes_of,
        context::ScanContext,
        row_groups::Group,
        unit::output,
        unit_reader::{Step, UnitReader},
    },
    files::FetchFile,
    windows::{Way, WindowKey, Windows},
};
use crate::engine::{Error, ReadUnit, Result};

/// Rows from which on a piece of a row group is worth a thread of its own: what it decodes besides them, dictionaries
/// and pages cut in two, is little then.
const PIECE_ROWS_MIN: usize = 16 * 1024;

/// A bound on the bytes of rows that are read.
#[derive(Debug)]
pub(super) struct Meter {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Meter {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), bytes_max }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Whether these rows may be had, too.
    fn allows(&self, rows: &RecordBatch) -> bool {
        let bytes = bytes_of(rows);
        self.bytes.fetch_add(bytes, Relaxed).saturating_add(bytes) <= self.bytes_max
    }
}

/// A piece of work. `wanted` is where among the positions of the call those are that it reads.
#[derive(Debug)]
pub(super) enum Job {
    /// Single rows of a row group.
    Few { group: usize, wanted: Range<usize> },
    /// Rows of a window that is decoded whole.
    Whole { window: WindowKey, wanted: Range<usize> },
    /// Rows of a window that was kept.
    Kept { window: WindowKey, wanted: Range<usize>, rows: RecordBatch },
}

/// What is to be done for the positions in `wanted`, all of one file and ascending; the rows come in that order.
pub(super) fn of_file(
    file: &FetchFile,
    positions: &[u64],
    wanted: Range<usize>,
    windows: &mut Windows,
) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let mut next = wanted.start;
    while next < wanted.end {
        let index = file.group_of(positions[next])?;
        let group = file.groups[index];
        let in_group = (positions[next] - group.start) / group.window_rows;
        let window = WindowKey { file: file.ordinal, group: index, window: in_group };
        let range = file.rows_of(window);
        let count = positions[next..wanted.end].partition_point(|position| *position < range.end);
        let rows = next..next + count;
        match windows.way(window, range.end - range.start, count as u64) {
            Way::Few => push_few(&mut jobs, file, index, rows),
            Way::Whole => jobs.push(Job::Whole { window, wanted: rows }),
            Way::Kept(kept) => jobs.push(Job::Kept { window, wanted: rows, rows: kept }),
        }
        next += count;
    }
    Ok(jobs)
}

/// Neighbouring windows are read as one, so that nothing is decoded once for each.
fn push_few(jobs: &mut Vec<Job>, file: &FetchFile, index: usize, rows: Range<usize>) {
    if let Some(Job::Few { group, wanted }) = jobs.last_mut()
        && *group == index
        && wanted.end == rows.start
        && (wanted.len() < PIECE_ROWS_MIN || !file.has_page_index())
    {
        wanted.end = rows.end;
    } else {
        jobs.push(Job::Few { group: index, wanted: rows });
    }
}

impl Job {
    /// The rows in order, in some batches; `None` if the meter does not allow them.
    pub(super) fn run(
        self,
        scan: &Arc<ScanContext>,
        file: &FetchFile,
        positions: &[u64],
        meter: &Meter,
        windows: &Mutex<Windows>,
    ) -> Result<Option<Vec<RecordBatch>>> {
        let read = Reading { scan, file, positions, meter, windows };
        match self {
            Self::Few { group, wanted } => read.few(group, wanted),
            Self::Whole { window, wanted } => match read.whole(window) {
                Ok(rows) => read.taken(window, wanted, &rows),
                // A value that nobody asks for harms nobody.
                Err(_) => {
                    read.windows().never_whole(window);
                    read.few(window.group, wanted)
                }
            },
            Self::Kept { window, wanted, rows } => read.taken(window, wanted, &rows),
        }
    }
}

struct Reading<'r> {
    scan: &'r Arc<ScanContext>,
    file: &'r FetchFile,
    positions: &'r [u64],
    meter: &'r Meter,
    windows: &'r Mutex<Windows>,
}

impl Reading<'_> {
    fn few(&self, index: usize, wanted: Range<usize>) -> Result<Option<Vec<RecordBatch>>> {
        let group = self.file.groups[index];
        let positions = &self.positions[wanted];
        let (Some(first), Some(last)) = (positions.first(), positions.last()) else { return Ok(Some(vec![])) };
        let ranges = positions.chunk_by(|a, b| a + 1 == *b).map(|run| in_group(group.start, run[0], run.len()));
        let span = usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1);
        let batches = self.decode(index, ranges, positions.len(), span, Some(self.meter))?;
        if let Some(batches) = &batches {
            let bytes: usize = batches.iter().map(bytes_of).sum();
            let mut windows = self.windows();
            for window in (first - group.start) / group.window_rows..=(last - group.start) / group.window_rows {
                let key = WindowKey { file: self.file.ordinal, group: index, window };
                windows.note(key, bytes / positions.len());
            }
        }
        Ok(batches)
    }

    /// All rows of a window, kept for others.
    fn whole(&self, window: WindowKey) -> Result<RecordBatch> {
        let (group, range) = (self.file.groups[window.group], self.file.rows_of(window));
        let count = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let ranges = [in_group(group.start, range.start, count)].into_iter();
        let batches = self.decode(window.group, ranges, count, count, None)?.unwrap_or_default();
        let rows = match &batches[..] {
            [only] => only.clone(),
            several => concat_batches(&self.scan.schema, several).map_err(|source| self.unreadable(source))?,
        };
        if rows.num_rows() != count {
            return Err(self.unreadable(format!("{count} rows are wanted and {} came", rows.num_rows())));
        }
        self.windows().keep(window, &rows);
        Ok(rows)
    }

    fn taken(&self, window: WindowKey, wanted: Range<usize>, rows: &RecordBatch) -> Result<Option<Vec<RecordBatch>>> {
        let start = self.file.rows_of(window).start;
        let places = self.positions[wanted].iter().map(|position| u32::try_from(position - start));
        let places = places.collect::<Result<Vec<_>, _>>().map_err(|source| self.unreadable(source))?;
        let taken = take_record_batch(rows, &UInt32Array::from(places));
        let taken = taken.map_err(|source: ArrowError| self.unreadable(source))?;
        Ok(self.meter.allows(&taken).then(|| vec![taken]))
    }

    /// The rows in `ranges` of a row group, `count` of them over `span`.
    fn decode(
        &self,
        index: usize,
        ranges: impl Iterator<Item = Range<usize>>,
        count: usize,
        span: usize,
        meter: Option<&Meter>,
    ) -> Result<Option<Vec<RecordBatch>>> {
        let rows = usize::try_from(self.file.groups[index].rows).unwrap_or(usize::MAX);
        let selection = (count < rows).then(|| RowSelection::from_consecutive_ranges(ranges, rows));
        let group = Group { index, selection, rows: count, spread: span.div_ceil(count.max(1)) };
        let unit = ReadUnit { file: self.file.ordinal, slice: 0, slices: 1 };
        let output = output(self.scan, &self.scan.source.files[self.file.ordinal as usize])?;
        let parquet = Arc::new(self.file.parquet.separate());
        let projected = Arc::clone(&self.file.projected);
        let mut reader = UnitReader::new(Arc::clone(self.scan), unit, parquet, projected, output, None, vec![group]);
        let mut batches = Vec::new();
        loop {
            self.scan.check_cancelled()?;
            match reader.step()? {
                Step::Rows(batch) if meter.is_some_and(|meter| !meter.allows(&batch)) => return Ok(None),
                Step::Rows(batch) => batches.push(batch),
                Step::Nothing => {}
                Step::End => return Ok(Some(batches)),
            }
        }
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unreadable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        let path = &self.scan.source.files[self.file.ordinal as usize].path;
        Error::internal(format!("file {path} cannot be read"), source)
    }
}

/// `count` rows from a position on, counted from the first row of the row group.
fn in_group(start: u64, position: u64, count: usize) -> Range<usize> {
    let first = usize::try_from(position - start).unwrap_or(usize::MAX);
    first..first.saturating_add(count)
}
