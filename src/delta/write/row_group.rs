//! One row group being encoded: every column on its own, on rayon's pool, or a small one here and now.
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

use arrow::{array::ArrayRef, datatypes::SchemaRef};
use parquet::{
    arrow::arrow_writer::ArrowRowGroupWriterFactory,
    errors::{ParquetError, Result},
};

use super::{
    budget::Held,
    column::{ColumnEncoder, EncodedColumn},
    rows::Rows,
};

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

impl RowGroup {
    /// An empty row group, the `index`th of its file. If `lone`, the threads that call do all the work.
    pub(super) fn begin(
        factory: &ArrowRowGroupWriterFactory,
        schema: &SchemaRef,
        index: usize,
        lone: bool,
    ) -> Result<Self> {
        let mut writers = factory.create_column_writers(index)?.into_iter();
        let (finish, finished) = mpsc::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let columns = schema.fields().iter().enumerate().map(|(index, field)| {
            let encoder = ColumnEncoder::new(Arc::clone(field), &mut writers, !lone);
            Arc::new(Column {
                index,
                lone,
                queue: Mutex::new(Queue { jobs: VecDeque::new(), encoder: Some(encoder), closing: false, over: false }),
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
    ///
    /// # Errors
    /// The failure of a column, if one has failed since the last call.
    pub(super) fn push(&mut self, parts: &[Rows], held: Held) -> Result<()> {
        if let Ok((_, Err(e))) = self.finished.try_recv() {
            return Err(e);
        }
        let held = Arc::new(held);
        for column in &self.columns {
            let arrays = parts.iter().map(|rows| Arc::clone(&rows.columns[column.index])).collect();
            column.push(Job { arrays, _held: Arc::clone(&held) });
        }
        self.rows += parts.iter().map(|rows| rows.count).sum::<usize>();
        self.raw_bytes += parts.iter().map(|rows| rows.bytes).sum::<usize>();
        Ok(())
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
    /// Whoever hands over rows encodes them.
    lone: bool,
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
    /// Finished or failed: what comes now goes nowhere.
    over: bool,
}

#[derive(Debug)]
struct Job {
    arrays: Vec<ArrayRef>,
    _held: Arc<Held>,
}

impl Column {
    fn push(self: &Arc<Self>, job: Job) {
        let mut queue = self.lock();
        if !queue.over {
            queue.jobs.push_back(job);
            self.work(queue);
        }
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
            if self.lone {
                return self.run(encoder);
            }
            let column = Arc::clone(self);
            rayon::spawn_fifo(move || column.run(encoder));
        }
    }

    fn run(&self, encoder: ColumnEncoder) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.work_off(encoder)));
        let outcome =
            outcome.unwrap_or_else(|_| Some(Err(ParquetError::General("a column's encoder panicked".to_owned()))));
        if let Some(finished) = outcome {
            let mut queue = self.lock();
            queue.over = true;
            // Gives back what they hold: the encoder's thread may be waiting for it.
            queue.jobs.clear();
            drop(queue);
            // A row group that nobody wants any more has no receiver.
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use arrow::{
        array::{Int64Array, StringArray},
        datatypes::{DataType, Field, Schema},
    };
    use parquet::{arrow::ArrowSchemaConverter, file::writer::SerializedFileWriter};

    use super::{super::budget::Budget, *};

    fn begin(schema: &SchemaRef) -> RowGroup {
        let parquet = ArrowSchemaConverter::new().convert(schema).unwrap();
        let writer = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::default()).unwrap();
        RowGroup::begin(&ArrowRowGroupWriterFactory::new(&writer, Arc::clone(schema)), schema, 0, false).unwrap()
    }

    #[test]
    fn a_column_that_fails_is_reported_and_holds_nothing_back() {
        let schema =
            Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]));
        let (done, outcome) = channel();
        std::thread::spawn(move || {
            let budget = Budget::new(1);
            let mut row_group = begin(&schema);
            let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
            let wrong = Rows::new(vec![Arc::clone(&numbers), numbers], 1);
            // Each push takes the whole budget, so the next waits until all columns are done with it.
            let failure = (0..100).find_map(|_| row_group.push(std::slice::from_ref(&wrong), budget.take(1)).err());
            done.send(failure.map(|e| e.to_string())).unwrap();
        });
        let failure = outcome.recv().unwrap().expect("no push reported the failure");
        assert!(failure.contains("Incompatible type"), "{failure}");
    }

    #[test]
    fn rows_of_an_abandoned_row_group_are_given_back() {
        let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        let budget = Budget::new(1);
        let mut row_group = begin(&schema);
        let rows = Rows::new(vec![Arc::new(StringArray::from(vec!["x"; 100_000]))], 100_000);
        row_group.push(&[rows], budget.take(1)).unwrap();
        drop(row_group);
        drop(budget.take(1));
    }
}
