//! Copy-on-write: the rows of changed files that stay, written again.
//!
//! Files are read in slices, several at a time, and their rows written in the order they had: what lay together stays
//! together, so that statistics go on telling files apart.

use std::{collections::VecDeque, sync::Arc};

use arrow::array::RecordBatch;
use futures::StreamExt;
use roaring::RoaringTreemap;
use tokio::{sync::mpsc, task::JoinSet};

use super::changed_rows::{ChangedFile, ChangedRows};
use crate::{
    delta::{
        scan::{LeftOut, ScanSource, read_without},
        snapshot::DeltaSnapshot,
        write::Stage,
    },
    engine::{Error, Predicate, ReadPart, ReadUnit, Result, ScanRequest, Snapshot},
};

/// Slices that are read at once. Each holds up to [`BATCHES_WAITING_MAX`] batches that wait for their turn, one on
/// its way there and one being made, of at most 8 MiB each, whatever the files' sizes.
const SLICES_READ_MAX: usize = 4;

/// Batches of a slice that wait while an earlier slice is written.
const BATCHES_WAITING_MAX: usize = 1;

/// Bytes of a file that make a slice: some batches each, so that little of it waits for the slices before it, and enough
/// for the pages at its ends, which two slices decode, to be few.
const SLICE_BYTES: u64 = 8 * 1024 * 1024;

/// Stages the live rows of the changed files that are not changed, reading several files at a time.
///
/// # Errors
/// As scans, and as [`Stage::write`]; `Internal` also if a file does not hold as many rows as was counted on. The stage
/// is then to be given up.
pub(crate) async fn stage_survivors(base: &DeltaSnapshot, changed: &ChangedRows, stage: &mut Stage) -> Result<()> {
    let columns = base.schema().fields().len();
    let request = ScanRequest { projection: (0..columns).collect(), row_id: false, predicate: Predicate::Unknown };
    copy(&base.source().await?, &request, changed.files(), SLICE_BYTES, stage).await
}

async fn copy<'c>(
    source: &ScanSource,
    request: &ScanRequest,
    files: impl Iterator<Item = (u32, &'c ChangedFile)>,
    slice_bytes: u64,
    stage: &mut Stage,
) -> Result<()> {
    let mut slices = files
        .filter_map(|(ordinal, file)| Survivors::of(source, ordinal, file, slice_bytes))
        .flat_map(Survivors::slices);
    let mut readers = Readers::default();
    let mut rows_of_file = 0;
    loop {
        while readers.count() < SLICES_READ_MAX
            && let Some(slice) = slices.next()
        {
            readers.start(source, request, slice)?;
        }
        let Some((slice, mut batches)) = readers.pop() else { return Ok(()) };
        while let Some(batch) = batches.next().await? {
            rows_of_file += batch.num_rows() as u64;
            stage.write(&batch).await?;
        }
        if slice.is_last() {
            slice.check(source, rows_of_file)?;
            rows_of_file = 0;
        }
    }
}

/// The rows of a file that stay; at least one.
#[derive(Debug)]
struct Survivors {
    file: u32,
    slices: u32,
    rows: u64,
    changed: Arc<RoaringTreemap>,
}

impl Survivors {
    fn of(source: &ScanSource, ordinal: u32, file: &ChangedFile, slice_bytes: u64) -> Option<Self> {
        let gone = file.deleted.len() + file.changed.len();
        let rows = file.rows.checked_sub(gone).filter(|rows| *rows > 0)?;
        let size_bytes = source.files.get(ordinal as usize).map_or(0, |file| file.size_bytes);
        let slices = u32::try_from(size_bytes.div_ceil(slice_bytes)).unwrap_or(u32::MAX).max(1);
        // Copied when its turn comes: few files are under way at a time.
        Some(Self { file: ordinal, slices, rows, changed: Arc::new(file.changed.clone()) })
    }

    fn slices(self) -> impl Iterator<Item = Slice> {
        let Self { file, slices, rows, changed } = self;
        (0..slices).map(move |slice| Slice {
            unit: ReadUnit { file, slice, slices },
            rows_of_file: rows,
            changed: Arc::clone(&changed),
        })
    }
}

/// A part of a file.
#[derive(Debug)]
struct Slice {
    unit: ReadUnit,
    /// Rows of the whole file that stay.
    rows_of_file: u64,
    changed: Arc<RoaringTreemap>,
}

impl Slice {
    fn is_last(&self) -> bool {
        self.unit.slice + 1 == self.unit.slices
    }

    /// A row that got lost here would be lost for good.
    fn check(&self, source: &ScanSource, rows: u64) -> Result<()> {
        let expected = self.rows_of_file;
        if rows == expected {
            return Ok(());
        }
        let path = source.files.get(self.unit.file as usize).map_or("(none)", |file| file.path.as_ref());
        let context = format!("file {path} cannot be written again");
        Err(Error::internal(context, format!("{expected} of its rows were to stay, and {rows} were read")))
    }
}

/// Slices that are being read, in order. Dropping it ends them.
#[derive(Default)]
struct Readers {
    tasks: JoinSet<()>,
    running: VecDeque<(Slice, Batches)>,
}

impl Readers {
    fn count(&self) -> usize {
        self.running.len()
    }

    fn start(&mut self, source: &ScanSource, request: &ScanRequest, slice: Slice) -> Result<()> {
        while self.tasks.try_join_next().is_some() {}
        let left_out = LeftOut::from([(slice.unit.file, Arc::clone(&slice.changed))]);
        let part = ReadPart { units: vec![slice.unit] };
        let mut batches = read_without(source.clone(), request, &part, left_out)?;
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        self.tasks.spawn(async move {
            loop {
                let message = batches.next().await.transpose().map(|batch| batch.map(|batch| batch.rows));
                let more = matches!(message, Ok(Some(_)));
                if sender.send(message).await.is_err() || !more {
                    return;
                }
            }
        });
        self.running.push_back((slice, Batches(receiver)));
        Ok(())
    }

    fn pop(&mut self) -> Option<(Slice, Batches)> {
        self.running.pop_front()
    }
}

/// The batches of a slice.
struct Batches(mpsc::Receiver<Result<Option<RecordBatch>>>);

impl Batches {
    /// `None` after the last.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let died = || Error::internal("a scan broke down", "its task is gone");
        self.0.recv().await.unwrap_or_else(|| Err(died()))
    }
}

#[cfg(test)]
mod tests;
