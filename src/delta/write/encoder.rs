//! The encoder of one append: which rows go to which file, when a row group and a file end, and what may be held
//! meanwhile. Blocking.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use deltalake_core::kernel::Add;
use parquet::errors::ParquetError;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    budget::Budget,
    file_writer::FileWriter,
    layout::FileLayout,
    limits::Limits,
    partition::{PartitionKey, Splitter},
    rows::Rows,
    staging::Staging,
};
use crate::{
    delta::schema::TableSchema,
    engine::{Error, Result},
};

/// Files that take no more rows and are not yet written out: one, so that the next may begin meanwhile.
const ENDED_FILES_MAX: usize = 1;
/// Ended row groups of one file that are not yet written out.
const ENDED_ROW_GROUPS_MAX: usize = 1;

/// Encodes the chunks of one append.
#[derive(Debug)]
pub(super) struct Encoder<'a> {
    layout: Arc<FileLayout>,
    limits: Limits,
    budget: Arc<Budget>,
    staging: &'a mut Staging,
    /// `None` if the table is not partitioned: then all rows belong to partition 0.
    splitter: Option<Splitter>,
    keys: Vec<PartitionKey>,
    /// By number, as `keys`.
    partitions: Vec<Partition>,
    /// Rows that wait, of all partitions.
    waiting_bytes: usize,
    /// Numbers of the partitions that have a file open, the one used last at the end.
    open: VecDeque<usize>,
    ended: VecDeque<FileWriter>,
    files: usize,
    adds: Vec<Add>,
    /// Columns are encoded on this thread.
    lone: bool,
}

#[derive(Debug, Default)]
struct Partition {
    waiting: Vec<Rows>,
    waiting_rows: usize,
    waiting_bytes: usize,
    file: Option<FileWriter>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(
        table: Arc<TableSchema>,
        layout: Arc<FileLayout>,
        limits: Limits,
        budget: Arc<Budget>,
        staging: &'a mut Staging,
    ) -> Result<Self> {
        let (mut keys, mut partitions) = (Vec::new(), Vec::new());
        let splitter = if table.partition_columns.is_empty() {
            keys.push(PartitionKey { values: Default::default(), directory: String::new() });
            partitions.push(Partition::default());
            None
        } else {
            Some(Splitter::new(table, layout.data_columns.clone(), limits.partitions)?)
        };
        let (open, ended, adds) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Ok(Self {
            layout,
            limits,
            budget,
            staging,
            splitter,
            keys,
            partitions,
            waiting_bytes: 0,
            open,
            ended,
            files: 0,
            adds,
            lone: false,
        })
    }

    /// Takes all chunks and makes durable files of them. `None` if `cancelled`.
    pub(super) fn run(
        mut self,
        mut chunks: mpsc::Receiver<Vec<Rows>>,
        cancelled: &AtomicBool,
    ) -> Result<Option<Vec<Add>>> {
        while let Some(chunk) = chunks.blocking_recv() {
            if cancelled.load(Relaxed) {
                return Ok(None);
            }
            self.take(chunk)?;
        }
        if cancelled.load(Relaxed) {
            return Ok(None);
        }
        self.finish().map(Some)
    }

    /// Makes durable files of one chunk, which is all there is.
    pub(super) fn run_once(mut self, chunk: Vec<Rows>) -> Result<Vec<Add>> {
        self.lone = chunk.iter().map(|rows| rows.bytes).sum::<usize>() <= self.limits.lone_bytes;
        self.take(chunk)?;
        self.finish()
    }

    fn take(&mut self, chunk: Vec<Rows>) -> Result<()> {
        let Some(splitter) = &mut self.splitter else { return self.encode(0, &chunk) };
        let shares = splitter.split(&chunk, &mut self.keys)?;
        drop(chunk);
        self.partitions.resize_with(self.keys.len(), Partition::default);
        for share in shares {
            let partition = &mut self.partitions[share.partition];
            partition.waiting_rows += share.rows.count;
            partition.waiting_bytes += share.rows.bytes;
            self.waiting_bytes += share.rows.bytes;
            partition.waiting.push(share.rows);
            if partition.waiting_rows >= self.limits.chunk_rows || partition.waiting_bytes >= self.limits.chunk_bytes {
                self.encode_waiting(share.partition)?;
            }
        }
        if self.waiting_bytes > self.limits.partition_bytes { self.relieve() } else { Ok(()) }
    }

    /// Encodes what waits in the largest partitions until half of the bound is free: so partitions are compared
    /// rarely, and the small ones gather more.
    fn relieve(&mut self) -> Result<()> {
        let mut largest: Vec<_> = (0..self.partitions.len()).collect();
        largest.sort_unstable_by_key(|&number| std::cmp::Reverse(self.partitions[number].waiting_bytes));
        for number in largest {
            if self.waiting_bytes <= self.limits.partition_bytes / 2 {
                break;
            }
            self.encode_waiting(number)?;
        }
        Ok(())
    }

    fn encode_waiting(&mut self, number: usize) -> Result<()> {
        let partition = &mut self.partitions[number];
        self.waiting_bytes -= partition.waiting_bytes;
        (partition.waiting_rows, partition.waiting_bytes) = (0, 0);
        let waiting = std::mem::take(&mut partition.waiting);
        self.encode(number, &waiting)
    }

    /// Encodes rows into their partition's file.
    fn encode(&mut self, number: usize, parts: &[Rows]) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let held = self.budget.take(parts.iter().map(|rows| rows.bytes).sum());
        let mut file = self.file(number)?;
        let row_group = file.push(parts, held).map_err(encoding_failed)?;
        let full = row_group.rows >= self.limits.row_group_rows || row_group.raw_bytes >= self.limits.row_group_bytes;
        if full {
            file.end_row_group();
        }
        file.settle(ENDED_ROW_GROUPS_MAX).map_err(encoding_failed)?;
        if full && file.anticipated_bytes() >= self.limits.file_bytes {
            self.end_file(number, file);
            return self.settle_ended(ENDED_FILES_MAX);
        }
        self.partitions[number].file = Some(file);
        self.settle_ended(ENDED_FILES_MAX)?;
        self.bound_encoded()
    }

    /// The partition's open file; to be put back, or ended.
    fn file(&mut self, number: usize) -> Result<FileWriter> {
        self.open.retain(|open| *open != number);
        let file = match self.partitions[number].file.take() {
            Some(file) => file,
            None => self.open_file(number)?,
        };
        self.open.push_back(number);
        Ok(file)
    }

    fn open_file(&mut self, number: usize) -> Result<FileWriter> {
        while self.open.len() >= self.limits.open_files {
            if let Some(oldest) = self.open.pop_front()
                && let Some(file) = self.partitions[oldest].file.take()
            {
                self.end_file(oldest, file);
                self.settle_ended(ENDED_FILES_MAX)?;
            }
        }
        let PartitionKey { values, directory } = &self.keys[number];
        let path = self.layout.naming.path(directory, self.files, Uuid::new_v4());
        let sink = self.staging.create(&path).map_err(|e| writing_failed(&path, e))?;
        self.files += 1;
        FileWriter::begin(Arc::clone(&self.layout), path, values.clone(), sink, self.lone).map_err(encoding_failed)
    }

    /// The file takes no more rows; it is written out as its columns get done.
    fn end_file(&mut self, number: usize, mut file: FileWriter) {
        self.open.retain(|open| *open != number);
        file.end_row_group();
        self.ended.push_back(file);
    }

    /// Writes out ended files; waits until at most `left_max` are left.
    fn settle_ended(&mut self, left_max: usize) -> Result<()> {
        while let Some(mut oldest) = self.ended.pop_front() {
            oldest.settle(usize::MAX).map_err(encoding_failed)?;
            if !oldest.is_settled() && self.ended.len() < left_max {
                self.ended.push_front(oldest);
                break;
            }
            let (add, file) = oldest.finish().map_err(encoding_failed)?;
            self.staging.written(file).map_err(|e| writing_failed(&add.path, e))?;
            self.adds.push(add);
        }
        Ok(())
    }

    /// Keeps the unfinished row groups of all partitions below their bound: ends the largest.
    fn bound_encoded(&mut self) -> Result<()> {
        if self.splitter.is_none() {
            return Ok(());
        }
        loop {
            let sizes = self.open.iter().map(|&open| {
                let bytes = self.partitions[open].file.as_ref().map_or(0, FileWriter::memory_bytes);
                (bytes, open)
            });
            let (sum, largest) = sizes.fold((0, (0, 0)), |(sum, largest), size| (sum + size.0, largest.max(size)));
            if sum <= self.limits.encoded_bytes {
                return Ok(());
            }
            let Some(file) = &mut self.partitions[largest.1].file else { return Ok(()) };
            file.end_row_group();
            file.settle(0).map_err(encoding_failed)?;
        }
    }

    fn finish(mut self) -> Result<Vec<Add>> {
        for number in 0..self.partitions.len() {
            self.encode_waiting(number)?;
        }
        // All at once, so that the columns of all files share the cores.
        for number in 0..self.partitions.len() {
            if let Some(file) = self.partitions[number].file.take() {
                self.end_file(number, file);
            }
        }
        self.settle_ended(0)?;
        self.staging.sync().map_err(|e| Error::internal("could not make the data files durable", e))?;
        Ok(self.adds)
    }
}

fn writing_failed(path: &str, e: io::Error) -> Error {
    Error::internal(format!("could not write data file \"{path}\""), e)
}

fn encoding_failed(e: ParquetError) -> Error {
    Error::internal("could not write a data file", e)
}
