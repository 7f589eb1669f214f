//! One row group being encoded: every column on its own, on rayon's pool.
//!
//! A column takes its rows in order but waits for no other column, and the next row group may begin while slow
//! columns of this one are still at work: so all cores stay busy whatever the columns cost.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::concat,
    datatypes::{DataType, FieldRef, Float32Type, Float64Type, SchemaRef},
};
use parquet::{
    arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    errors::{ParquetError, Result},
};
use rayon::prelude::*;

use super::budget::Held;

/// Some rows, column by column, and what they weigh.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Rows {
    /// `count` rows of `columns`; only what they themselves occupy is counted, not the buffers they share.
    pub(super) fn new(columns: Vec<ArrayRef>, count: usize) -> Self {
        let sizes = columns.iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default());
        let bytes = sizes.sum::<usize>() + columns.len() * ARRAY_BYTES;
        Self { columns, count, bytes }
    }
}

/// What an array weighs without its values: headers and reference counts, which matter when rows come singly.
const ARRAY_BYTES: usize = 128;

/// A row group that takes rows, or whose columns are being finished.
#[derive(Debug)]
pub(super) struct RowGroup {
    columns: Vec<Arc<Column>>,
    finished: mpsc::Receiver<(usize, Result<EncodedColumn>)>,
    collected: Vec<Option<EncodedColumn>>,
    abandoned: Arc<AtomicBool>,
    pub(super) rows: usize,
    pub(super) raw_bytes: usize,
}

/// One column of a finished row group.
#[derive(Debug)]
pub(super) struct EncodedColumn {
    /// One per leaf.
    pub(super) chunks: Vec<ArrowColumnChunk>,
    /// Whether a leaf holds NaN, which Parquet's own statistics leave out.
    pub(super) has_nan: Vec<bool>,
    /// Rows in which the whole column is null.
    pub(super) null_rows: u64,
}

impl RowGroup {
    /// An empty row group, the `index`th of its file.
    pub(super) fn begin(factory: &ArrowRowGroupWriterFactory, schema: &SchemaRef, index: usize) -> Result<Self> {
        let mut writers = factory.create_column_writers(index)?.into_iter();
        let (finish, finished) = mpsc::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let columns = schema.fields().iter().enumerate().map(|(index, field)| {
            let leaves = leaf_count(field.data_type());
            let encoder = ColumnEncoder {
                field: Arc::clone(field),
                writers: writers.by_ref().take(leaves).collect(),
                has_nan: vec![false; leaves],
                null_rows: 0,
            };
            Arc::new(Column {
                index,
                queue: Mutex::new(Queue { jobs: VecDeque::new(), encoder: Some(encoder), closing: false }),
                finish: finish.clone(),
                abandoned: Arc::clone(&abandoned),
                anticipated_bytes: AtomicUsize::new(0),
                memory_bytes: AtomicUsize::new(0),
            })
        });
        let columns: Vec<_> = columns.collect();
        let collected = columns.iter().map(|_| None).collect();
        Ok(Self { columns, finished, collected, abandoned, rows: 0, raw_bytes: 0 })
    }

    /// Encodes more rows, after those that came before. `held` is given back when all columns have them.
    pub(super) fn push(&mut self, parts: &[Rows], held: Held) {
        let held = Arc::new(held);
        for column in &self.columns {
            let arrays = parts.iter().map(|rows| Arc::clone(&rows.columns[column.index])).collect();
            column.push(Job { arrays, _held: Arc::clone(&held) });
        }
        self.rows += parts.iter().map(|rows| rows.count).sum::<usize>();
        self.raw_bytes += parts.iter().map(|rows| rows.bytes).sum::<usize>();
    }

    /// No more rows will come: columns finish as they get there.
    pub(super) fn close(&self) {
        self.columns.iter().for_each(Column::close);
    }

    /// How large the row group would be if it were finished now; rows under way are not yet counted.
    pub(super) fn anticipated_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.anticipated_bytes.load(Relaxed)).sum()
    }

    /// What the encoded part occupies; rows under way are not counted.
    pub(super) fn memory_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.memory_bytes.load(Relaxed)).sum()
    }

    /// Whether all columns are finished (after [`RowGroup::close`]); with `wait`, not before they are.
    ///
    /// # Errors
    /// The first failure of a column.
    pub(super) fn finish(&mut self, wait: bool) -> Result<bool> {
        while self.collected.iter().any(Option::is_none) {
            let next = if wait { self.finished.recv().ok() } else { self.finished.try_recv().ok() };
            match next {
                Some((index, column)) => self.collected[index] = Some(column?),
                None if wait => return Err(ParquetError::General("a column was lost while encoding".to_owned())),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The columns in order, once [`RowGroup::finish`] said that all are there.
    pub(super) fn take_columns(&mut self) -> Vec<EncodedColumn> {
        self.collected.iter_mut().filter_map(Option::take).collect()
    }
}

impl Drop for RowGroup {
    fn drop(&mut self) {
        self.abandoned.store(true, Relaxed);
    }
}

#[derive(Debug)]
struct Column {
    index: usize,
    queue: Mutex<Queue>,
    finish: mpsc::Sender<(usize, Result<EncodedColumn>)>,
    /// Nobody wants the row group any more: rows that wait are dropped instead of encoded.
    abandoned: Arc<AtomicBool>,
    anticipated_bytes: AtomicUsize,
    memory_bytes: AtomicUsize,
}

/// Whoever takes the encoder out of a queue works it off and puts the encoder back, so one thread at a time works on a
/// column, and none waits for it.
#[derive(Debug)]
struct Queue {
    jobs: VecDeque<Job>,
    encoder: Option<ColumnEncoder>,
    closing: bool,
}

#[derive(Debug)]
struct Job {
    arrays: Vec<ArrayRef>,
    _held: Arc<Held>,
}

impl Column {
    fn push(self: &Arc<Self>, job: Job) {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        self.work(queue);
    }

    fn close(self: &Arc<Self>) {
        let mut queue = self.lock();
        queue.closing = true;
        self.work(queue);
    }

    /// Sets a task to work unless one is (or the column is finished or has failed).
    fn work(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if let Some(encoder) = queue.encoder.take() {
            drop(queue);
            let column = Arc::clone(self);
            rayon::spawn_fifo(move || column.run(encoder));
        }
    }

    fn run(&self, encoder: ColumnEncoder) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work_off(encoder)));
        let outcome =
            outcome.unwrap_or_else(|_| Some(Err(ParquetError::General("a column's encoder panicked".to_owned()))));
        if let Some(finished) = outcome {
            // Rows that come after a failure go nowhere.
            let _ = self.finish.send((self.index, finished));
        }
    }

    /// `None` if the queue is empty and more may come.
    fn work_off(&self, mut encoder: ColumnEncoder) -> Option<Result<EncodedColumn>> {
        loop {
            let job = {
                let mut queue = self.lock();
                match queue.jobs.pop_front() {
                    Some(job) => job,
                    None if queue.closing => break,
                    None => {
                        queue.encoder = Some(encoder);
                        return None;
                    }
                }
            };
            if !self.abandoned.load(Relaxed)
                && let Err(e) = encoder.encode(&job.arrays)
            {
                return Some(Err(e));
            }
            self.anticipated_bytes.store(encoder.anticipated_bytes(), Relaxed);
            self.memory_bytes.store(encoder.memory_bytes(), Relaxed);
        }
        Some(encoder.finish())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing can panic while the lock is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct ColumnEncoder {
    field: FieldRef,
    writers: Vec<ArrowColumnWriter>,
    has_nan: Vec<bool>,
    null_rows: u64,
}

impl ColumnEncoder {
    fn encode(&mut self, arrays: &[ArrayRef]) -> Result<()> {
        if let [_] = self.writers[..] {
            return arrays.iter().try_for_each(|array| self.encode_array(array));
        }
        // Levels of nested columns are dear for small arrays, and several leaves can share the cores.
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        self.encode_array(&concat(&arrays)?)
    }

    fn encode_array(&mut self, array: &ArrayRef) -> Result<()> {
        self.null_rows += array.null_count() as u64;
        mark_nan(array, &mut self.has_nan.iter_mut());
        let leaves = compute_leaves(&self.field, array)?;
        match &mut self.writers[..] {
            [writer] => leaves.iter().try_for_each(|leaf| writer.write(leaf)),
            writers => writers.par_iter_mut().zip(&leaves).try_for_each(|(writer, leaf)| writer.write(leaf)),
        }
    }

    fn anticipated_bytes(&self) -> usize {
        self.writers.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    fn memory_bytes(&self) -> usize {
        self.writers.iter().map(ArrowColumnWriter::memory_size).sum()
    }

    fn finish(self) -> Result<EncodedColumn> {
        let chunks = self.writers.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<_>>()?;
        Ok(EncodedColumn { chunks, has_nan: self.has_nan, null_rows: self.null_rows })
    }
}

/// How many Parquet columns a type becomes.
pub(super) fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        DataType::List(element) | DataType::Map(element, _) => leaf_count(element.data_type()),
        _ => 1,
    }
}

/// Notes which leaves hold NaN. Those inside of lists and maps are passed over: they have no statistics.
fn mark_nan<'a>(array: &ArrayRef, leaves: &mut impl Iterator<Item = &'a mut bool>) {
    let has_nan = match array.data_type() {
        DataType::Struct(_) => {
            array.as_struct().columns().iter().for_each(|child| mark_nan(child, leaves));
            return;
        }
        DataType::Float32 => {
            array.as_primitive_opt::<Float32Type>().is_some_and(|array| array.iter().flatten().any(f32::is_nan))
        }
        DataType::Float64 => {
            array.as_primitive_opt::<Float64Type>().is_some_and(|array| array.iter().flatten().any(f64::is_nan))
        }
        other => {
            leaves.take(leaf_count(other)).for_each(drop);
            return;
        }
    };
    if let Some(leaf) = leaves.next() {
        *leaf |= has_nan;
    }
}
