//! One data file being written: its row groups in order, and in the end its Add action.

use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use deltalake_core::kernel::Add;
use parquet::{arrow::arrow_writer::ArrowRowGroupWriterFactory, errors::Result, file::writer::SerializedFileWriter};

use super::{
    budget::Held, column::EncodedColumn, layout::FileLayout, row_group::RowGroup, rows::Rows, sink::Sink,
    stats::FileFacts,
};

/// A data file that is open. Dropping it leaves a broken file, or no object.
#[derive(Debug)]
pub(super) struct FileWriter {
    path: String,
    partition_values: HashMap<String, Option<String>>,
    layout: Arc<FileLayout>,
    writer: SerializedFileWriter<Sink>,
    factory: ArrowRowGroupWriterFactory,
    /// Takes rows.
    current: Option<RowGroup>,
    /// Take no more rows and are not yet written, oldest first.
    closing: VecDeque<RowGroup>,
    row_groups: usize,
    /// Columns are encoded on this thread.
    lone: bool,
    facts: FileFacts,
}

impl FileWriter {
    pub(super) fn begin(
        layout: Arc<FileLayout>,
        path: String,
        partition_values: HashMap<String, Option<String>>,
        sink: Sink,
        lone: bool,
    ) -> Result<Self> {
        let writer = SerializedFileWriter::new(sink, Arc::clone(&layout.parquet), Arc::clone(&layout.properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&layout.schema));
        let facts = FileFacts::default();
        let closing = VecDeque::new();
        let (current, row_groups) = (None, 0);
        Ok(Self { path, partition_values, layout, writer, factory, current, closing, row_groups, lone, facts })
    }

    /// Adds rows to the current row group.
    pub(super) fn push(&mut self, parts: &[Rows], held: Held) -> Result<&RowGroup> {
        let mut current = match self.current.take() {
            Some(current) => current,
            None => {
                self.row_groups += 1;
                RowGroup::begin(&self.factory, &self.layout.schema, self.row_groups - 1, self.lone)?
            }
        };
        current.push(parts, held)?;
        Ok(self.current.insert(current))
    }

    /// Ends the current row group, without waiting for it.
    pub(super) fn end_row_group(&mut self) {
        if let Some(current) = self.current.take() {
            current.close();
            self.closing.push_back(current);
        }
    }

    /// Writes ended row groups that are encoded; waits until at most `left_max` are left.
    pub(super) fn settle(&mut self, left_max: usize) -> Result<()> {
        loop {
            let wait = self.closing.len() > left_max;
            let Some(oldest) = self.closing.front_mut() else { return Ok(()) };
            if !oldest.finish(wait)? {
                return Ok(());
            }
            let columns = oldest.take_columns();
            self.closing.pop_front();
            self.append(columns)?;
        }
    }

    fn append(&mut self, columns: Vec<EncodedColumn>) -> Result<()> {
        let mut row_group = self.writer.next_row_group()?;
        for (index, column) in columns.into_iter().enumerate() {
            self.facts.note(index, &column);
            for chunk in column.chunks {
                chunk.append_to_row_group(&mut row_group)?;
            }
        }
        row_group.close()?;
        Ok(())
    }

    /// How large the file would be if it ended now.
    pub(super) fn anticipated_bytes(&self) -> usize {
        self.writer.bytes_written() + self.unwritten().map(RowGroup::anticipated_bytes).sum::<usize>()
    }

    /// What is encoded and not yet written.
    pub(super) fn memory_bytes(&self) -> usize {
        self.unwritten().map(RowGroup::memory_bytes).sum()
    }

    fn unwritten(&self) -> impl Iterator<Item = &RowGroup> {
        self.closing.iter().chain(&self.current)
    }

    /// Whether nothing is left but [`FileWriter::finish`].
    pub(super) fn is_settled(&self) -> bool {
        self.unwritten().next().is_none()
    }

    /// Writes what is left, waiting for it. The file, if it is one, is still to be synced.
    pub(super) fn finish(mut self) -> Result<(Add, Option<Arc<File>>)> {
        self.end_row_group();
        self.settle(0)?;
        let metadata = self.writer.finish()?;
        let file = self.writer.inner_mut().finish()?;
        let modified = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let add = Add {
            path: self.path,
            partition_values: self.partition_values,
            size: i64::try_from(self.writer.bytes_written()).unwrap_or(i64::MAX),
            modification_time: i64::try_from(modified.as_millis()).unwrap_or(i64::MAX),
            data_change: true,
            stats: Some(self.layout.stats.json(&metadata, &self.facts)),
            ..Add::default()
        };
        Ok((add, file))
    }
}
