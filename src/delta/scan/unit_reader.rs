//! Decodes the wanted rows of an open file, row group after row group, into batches in the shape of the answer.
//!
//! Where a predicate's columns are the lesser part of a row group they are decoded first, and of the others only
//! the rows that satisfy it; where they are the greater part, that would decode most of it twice.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, BooleanBufferBuilder, Int32Array, Int64Array, RecordBatch, RecordBatchOptions,
        StructArray,
    },
    buffer::BooleanBuffer,
    compute::filter_record_batch,
    error::ArrowError,
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection},
    },
    errors::ParquetError,
};

use super::{
    adapt::Lost,
    columns::FileColumns,
    constant::Constant,
    context::ScanContext,
    data_file::{POSITION_COLUMN, ParquetFile},
    filter::matches,
    row_groups::Group,
    width::{batch_rows, encoded_bytes},
};
use crate::engine::{Error, Predicate, ReadUnit, Result, RowId};

/// Rows that lie apart by more than this on average are decoded without those between them (the Parquet reader's
/// `RowSelectionPolicy::Auto`).
const DECODED_SPREAD_MAX: usize = 32;

/// Reads a unit.
#[derive(Debug)]
pub(super) struct UnitReader {
    scan: Arc<ScanContext>,
    unit: ReadUnit,
    file: Arc<ParquetFile>,
    projected: Arc<FileColumns>,
    output: Vec<Output>,
    filter: Option<Filter>,
    groups: VecDeque<Group>,
    current: Option<Current>,
    rows_done: usize,
    rows_total: usize,
}

/// A column of the answer.
#[derive(Debug)]
pub(super) enum Output {
    /// It is the same in every row of the file.
    Constant(Constant),
    /// It is the next of the file's columns.
    File,
}

/// What is left of the predicate, and the columns it looks at.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) predicate: Predicate,
    pub(super) columns: FileColumns,
}

/// A row group that is being read.
#[derive(Debug)]
struct Current {
    reader: ParquetRecordBatchReader,
    /// Whether its rows are yet to be filtered.
    filter: bool,
}

/// What a bounded amount of work came to.
#[derive(Debug)]
pub(super) enum Step {
    /// Rows of the answer, at least one.
    Rows(RecordBatch),
    /// Some rows were looked at in vain.
    Nothing,
    /// All was read.
    End,
}

impl UnitReader {
    pub(super) fn new(
        scan: Arc<ScanContext>,
        unit: ReadUnit,
        file: Arc<ParquetFile>,
        projected: Arc<FileColumns>,
        output: Vec<Output>,
        filter: Option<Filter>,
        groups: Vec<Group>,
    ) -> Self {
        let rows_total = groups.iter().map(|group| group.rows).sum();
        let groups = groups.into();
        Self { scan, unit, file, projected, output, filter, groups, current: None, rows_done: 0, rows_total }
    }

    /// How many of the rows that were not ruled out by bounds were looked at.
    pub(super) fn rows_done(&self) -> usize {
        self.rows_done
    }

    /// How much of the unit is done, 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        if self.rows_total == 0 { 1.0 } else { self.rows_done as f64 / self.rows_total as f64 }
    }

    /// Decodes the next batch, or begins the next row group.
    pub(super) fn step(&mut self) -> Result<Step> {
        if let Some(current) = &mut self.current {
            let filter = current.filter;
            match current.reader.next() {
                Some(batch) => return self.answer(batch, filter),
                None => self.current = None,
            }
        }
        match self.groups.pop_front() {
            Some(group) => {
                self.file.input.forget_fetched();
                self.current = self.begin(group)?;
                Ok(Step::Nothing)
            }
            None => Ok(Step::End),
        }
    }

    /// Begins a row group; `None` if no row of it is wanted.
    fn begin(&mut self, mut group: Group) -> Result<Option<Current>> {
        let mut leaves = self.projected.leaves.clone();
        let mut filter = self.filter.is_some();
        if let Some(first) = &self.filter {
            if self.filters_first(first, group.index) {
                let rows_before = group.rows;
                group = self.filter_first(first, group)?;
                self.rows_done += rows_before - group.rows;
                filter = false;
            } else {
                leaves.extend(&first.columns.leaves);
            }
        }
        if group.rows == 0 {
            return Ok(None);
        }
        let reader = self.reader(&leaves, &group, self.scan.request.row_id).map_err(|e| self.unreadable(e))?;
        Ok(Some(Current { reader, filter }))
    }

    fn filters_first(&self, filter: &Filter, group: usize) -> bool {
        let group = self.file.footer().row_group(group);
        let others = self.projected.leaves.iter().filter(|leaf| !filter.columns.leaves.contains(leaf));
        encoded_bytes(group, others) > encoded_bytes(group, &filter.columns.leaves)
    }

    /// The row group with those of its rows selected that satisfy the filter.
    fn filter_first(&self, filter: &Filter, group: Group) -> Result<Group> {
        let reader = self.reader(&filter.columns.leaves, &group, false).map_err(|e| self.unreadable(e))?;
        let mut mask = BooleanBufferBuilder::new(group.rows);
        for batch in reader {
            self.scan.check_cancelled()?;
            let batch = batch.map_err(|e| self.unreadable(e))?;
            mask.append_buffer(&self.satisfying(filter, &batch)?);
        }
        let mask = mask.finish();
        let rows = mask.count_set_bits();
        if rows == group.rows {
            return Ok(group);
        }
        let matching = RowSelection::from_boolean_buffer(mask);
        let selection = match &group.selection {
            Some(selection) => selection.and_then(&matching),
            None => matching,
        };
        Ok(Group { selection: Some(selection), rows, ..group })
    }

    fn satisfying(&self, filter: &Filter, batch: &RecordBatch) -> Result<BooleanBuffer> {
        let rows = filter.columns.rows(batch).map_err(|lost| self.lost(lost))?;
        Ok(matches(&filter.predicate, &rows))
    }

    fn reader(
        &self,
        leaves: &[usize],
        group: &Group,
        positions: bool,
    ) -> Result<ParquetRecordBatchReader, ParquetError> {
        self.file.input.fetch_ahead(self.byte_ranges(leaves, group))?;
        let metadata = if positions { &self.file.positions } else { &self.file.columns };
        let footer = self.file.footer();
        let mask = ProjectionMask::leaves(footer.file_metadata().schema_descr(), leaves.iter().copied());
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.input.clone(), metadata.clone())
            .with_row_groups(vec![group.index])
            .with_projection(mask)
            .with_batch_size(self.batch_rows(leaves, group));
        if let Some(selection) = &group.selection {
            builder = builder.with_row_selection(selection.clone());
        }
        builder.build()
    }

    /// How many wanted rows make a batch: buffers are made for so many, and rows between them may be decoded too.
    fn batch_rows(&self, leaves: &[usize], group: &Group) -> usize {
        let decoded = batch_rows(self.file.footer().row_group(group.index), leaves, self.scan.fixed_bytes);
        decoded.div_ceil(group.spread.clamp(1, DECODED_SPREAD_MAX)).min(group.rows)
    }

    /// Where the pages of the leaves lie that hold the group's rows.
    fn byte_ranges(&self, leaves: &[usize], group: &Group) -> Vec<Range<u64>> {
        let footer = self.file.footer();
        let pages = footer.offset_index().and_then(|index| index.get(group.index));
        let mut ranges = Vec::new();
        for leaf in leaves {
            let (start, length) = footer.row_group(group.index).column(*leaf).byte_range();
            match (&group.selection, pages.and_then(|pages| pages.get(*leaf))) {
                (Some(selection), Some(pages)) => {
                    let pages = pages.page_locations();
                    let first = pages.first().and_then(|page| u64::try_from(page.offset).ok()).unwrap_or(start);
                    ranges.push(start..first.max(start)); // the dictionary
                    ranges.extend(selection.scan_ranges(pages));
                }
                _ => ranges.push(start..start + length),
            }
        }
        ranges
    }

    fn answer(&mut self, batch: Result<RecordBatch, ArrowError>, filter: bool) -> Result<Step> {
        let mut batch = batch.map_err(|e| self.unreadable(e))?;
        self.rows_done += batch.num_rows();
        if let (true, Some(filter)) = (filter, &self.filter) {
            let mask = self.satisfying(filter, &batch)?;
            batch = self.filtered(&batch, mask).map_err(|e| self.unreadable(e))?;
        }
        if batch.num_rows() == 0 {
            return Ok(Step::Nothing);
        }
        self.assemble(&batch).map(Step::Rows)
    }

    /// The rows of the mask, of the columns that the answer is made of.
    fn filtered(&self, batch: &RecordBatch, mask: BooleanBuffer) -> Result<RecordBatch, ArrowError> {
        let schema = batch.schema();
        let wanted = |name: &str| name == POSITION_COLUMN || self.projected.reads(name);
        let indexes: Vec<usize> =
            (0..schema.fields().len()).filter(|index| wanted(schema.field(*index).name())).collect();
        let batch = batch.project(&indexes)?;
        let rows = mask.count_set_bits();
        if rows == batch.num_rows() {
            return Ok(batch);
        }
        if indexes.is_empty() {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            return RecordBatch::try_new_with_options(batch.schema(), vec![], &options);
        }
        filter_record_batch(&batch, &BooleanArray::new(mask, None))
    }

    fn assemble(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut of_file = self.projected.apply(batch).map_err(|lost| self.lost(lost))?.into_iter();
        let mut columns = Vec::with_capacity(self.output.len() + 1);
        for (column, output) in self.output.iter_mut().enumerate() {
            columns.push(match output {
                Output::Constant(constant) => constant.repeat(rows)?,
                Output::File => {
                    self.scan.load(column, of_file.next().expect("one column of the file for each of these"))?
                }
            });
        }
        if self.scan.request.row_id {
            columns.push(self.row_ids(batch)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.scan.schema), columns, &options)
            .map_err(|source| self.unreadable(source))
    }

    fn row_ids(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let rows = batch.num_rows();
        let number = |source: std::num::TryFromIntError| Error::internal("a row id is out of range", source);
        let version = i64::try_from(self.scan.source.version).map_err(number)?;
        let file = i32::try_from(self.unit.file).map_err(number)?;
        let positions = batch
            .column_by_name(POSITION_COLUMN)
            .ok_or_else(|| Error::internal("rows without positions", "the reader left them out"))?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![version; rows])),
            Arc::new(Int32Array::from(vec![file; rows])),
            Arc::clone(positions),
        ];
        let ids = StructArray::try_new(RowId::fields(), columns, None).map_err(|source| self.unreadable(source))?;
        Ok(Arc::new(ids))
    }

    fn path(&self) -> &object_store::path::Path {
        &self.scan.source.files[self.unit.file as usize].path
    }

    fn unreadable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::internal(format!("file {} cannot be read", self.path()), source)
    }

    fn lost(&self, lost: Lost) -> Error {
        let context = format!("column {} of file {} cannot be read as the table has it", lost.column, self.path());
        Error::internal(context, lost.source)
    }
}
