//! A part of a scan: its units one after the other, their batches at a good size, and how far it has come.

use std::{collections::VecDeque, sync::Arc};

use arrow::array::{RecordBatch, RecordBatchOptions};

use super::{
    coalesce::Coalesce,
    context::ScanContext,
    unit::{OpenFile, Opened, open},
    unit_reader::{Step, UnitReader},
};
use crate::engine::{Error, ReadBatch, ReadUnit, Result};

/// Rows that a filter left over wait for others, but not for longer than it takes to look at this many: somebody
/// may be satisfied with the few there are.
const LOOKED_AT_ROWS_MAX: usize = 1 << 20;

/// Reads a part. Blocks, and stops between two batches when the scan is cancelled.
#[derive(Debug)]
pub(super) struct PartReader {
    scan: Arc<ScanContext>,
    units: VecDeque<ReadUnit>,
    current: Option<(ReadUnit, Box<UnitReader>)>,
    last_file: Option<OpenFile>,
    coalesce: Coalesce,
    ready: VecDeque<RecordBatch>,
    /// Rows of an answer without columns.
    counted: u64,
    looked_at: usize,
    bytes_done: f64,
    bytes_total: f64,
    progress: f64,
}

impl PartReader {
    pub(super) fn new(scan: Arc<ScanContext>, units: &[ReadUnit]) -> Self {
        let bytes_total = units.iter().map(|unit| bytes_of(&scan, *unit)).sum();
        Self {
            scan,
            units: units.iter().copied().collect(),
            current: None,
            last_file: None,
            coalesce: Coalesce::default(),
            ready: VecDeque::new(),
            counted: 0,
            looked_at: 0,
            bytes_done: 0.0,
            bytes_total,
            progress: 0.0,
        }
    }

    /// The next batch; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<ReadBatch>> {
        loop {
            if let Some(rows) = self.ready.pop_front() {
                self.looked_at = 0;
                return Ok(Some(ReadBatch { rows, progress: self.progress() }));
            }
            self.scan.check_cancelled()?;
            if !self.advance()? {
                return self.last();
            }
        }
    }

    /// A bounded amount of work; false if there was none left.
    fn advance(&mut self) -> Result<bool> {
        let Some((unit, mut reader)) = self.current.take() else {
            return self.begin();
        };
        let rows_before = reader.rows_done();
        let step = self.scan.guarded(unit.file, || reader.step())?;
        self.looked_at += reader.rows_done() - rows_before;
        match step {
            Step::Rows(batch) => {
                self.ready.extend(self.coalesce.push(batch).map_err(joining)?);
                self.current = Some((unit, reader));
            }
            Step::Nothing => self.current = Some((unit, reader)),
            Step::End => self.bytes_done += bytes_of(&self.scan, unit),
        }
        if self.looked_at >= LOOKED_AT_ROWS_MAX {
            self.ready.extend(self.coalesce.flush().map_err(joining)?);
        }
        Ok(true)
    }

    fn begin(&mut self) -> Result<bool> {
        let Some(unit) = self.units.pop_front() else { return Ok(false) };
        let mut last_file = self.last_file.take();
        let opened = self.scan.guarded(unit.file, || open(&self.scan, unit, &mut last_file))?;
        self.last_file = last_file;
        match opened {
            Opened::Counted(rows) => {
                self.counted += rows;
                self.bytes_done += bytes_of(&self.scan, unit);
            }
            Opened::Reader(reader) => self.current = Some((unit, reader)),
        }
        Ok(true)
    }

    /// What is left when all units are read, and in any case a batch that says so, if there was one before.
    fn last(&mut self) -> Result<Option<ReadBatch>> {
        let mut rows = self.coalesce.flush().map_err(joining)?;
        if rows.is_none() && self.counted > 0 {
            let count = std::mem::take(&mut self.counted);
            rows = Some(self.without_columns(count)?);
        }
        if rows.is_none() && self.progress > 0.0 && self.progress < 1.0 {
            rows = Some(RecordBatch::new_empty(Arc::clone(&self.scan.schema)));
        }
        Ok(rows.map(|rows| ReadBatch { rows, progress: self.progress() }))
    }

    fn without_columns(&self, count: u64) -> Result<RecordBatch> {
        let count = usize::try_from(count).map_err(|source| Error::internal("too many rows to count", source))?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.scan.schema), vec![], &options).map_err(joining)
    }

    fn progress(&mut self) -> f64 {
        let of_unit =
            self.current.as_ref().map_or(0.0, |(unit, reader)| bytes_of(&self.scan, *unit) * reader.progress());
        let now = if self.bytes_total > 0.0 { (self.bytes_done + of_unit) / self.bytes_total } else { 1.0 };
        self.progress = now.clamp(self.progress, 1.0);
        self.progress
    }
}

fn bytes_of(scan: &ScanContext, unit: ReadUnit) -> f64 {
    scan.source.files[unit.file as usize].size_bytes as f64 / f64::from(unit.slices)
}

fn joining(source: arrow::error::ArrowError) -> Error {
    Error::internal("batches cannot be joined", source)
}
