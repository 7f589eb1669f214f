//! Files of which rows are read, kept open from one call to the next.

use std::{
    num::NonZeroUsize,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;

use super::{
    super::{
        columns::FileColumns,
        context::{ScanContext, unreadable},
        data_file::{PageIndex, ParquetFile},
        unit::projected,
        width::batch_rows,
    },
    windows::WindowKey,
};
use crate::engine::{Error, Result};

/// Files kept open: each may be a file of the disk, of which a process has about a thousand.
const OPEN_FILES_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("is not zero");

/// Bytes of footers kept; one is always kept. Wide tables have footers of megabytes, with an entry for every page.
const FOOTERS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// An open file.
#[derive(Debug)]
pub(super) struct FetchFile {
    pub(super) ordinal: u32,
    pub(super) parquet: ParquetFile,
    /// The columns of the answer.
    pub(super) projected: Arc<FileColumns>,
    pub(super) groups: Vec<RowGroup>,
}

/// A row group.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowGroup {
    /// The position of its first row.
    pub(super) start: u64,
    pub(super) rows: u64,
    /// How many rows are decoded at once, if all are.
    pub(super) window_rows: u64,
}

impl FetchFile {
    /// Reads footer and offset index. Blocks.
    pub(super) fn open(scan: &ScanContext, ordinal: u32) -> Result<Self> {
        let file = &scan.source.files[ordinal as usize];
        let parquet = ParquetFile::open(scan.input(file)?, PageIndex::Offsets, scan.source.schema.mapping)
            .map_err(|source| unreadable(&file.path, source))?;
        let projected = projected(scan, file, &parquet)?;
        let mut start = 0;
        let mut groups = Vec::with_capacity(parquet.footer().num_row_groups());
        for group in parquet.footer().row_groups() {
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            let window_rows = batch_rows(group, &projected.leaves, scan.fixed_bytes) as u64;
            groups.push(RowGroup { start, rows, window_rows });
            start += rows;
        }
        Ok(Self { ordinal, parquet, projected, groups })
    }

    /// Whether pages can be reached without a look at those before them.
    pub(super) fn has_page_index(&self) -> bool {
        self.parquet.footer().offset_index().is_some()
    }

    /// The row group of a position.
    pub(super) fn group_of(&self, position: u64) -> Result<usize> {
        let after = self.groups.partition_point(|group| group.start <= position);
        let group =
            after.checked_sub(1).filter(|group| position - self.groups[*group].start < self.groups[*group].rows);
        group.ok_or_else(|| {
            let rows: u64 = self.groups.iter().map(|group| group.rows).sum();
            Error::internal(format!("there is no row {position} in file {}", self.ordinal), format!("it has {rows}"))
        })
    }

    /// The positions of a window.
    pub(super) fn rows_of(&self, window: WindowKey) -> Range<u64> {
        let group = self.groups[window.group];
        let start = window.window * group.window_rows;
        group.start + start..group.start + (start + group.window_rows).min(group.rows)
    }

    fn footer_bytes(&self) -> usize {
        self.parquet.footer().memory_size()
    }
}

/// The files used last.
#[derive(Debug)]
pub(super) struct OpenFiles {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    files: LruCache<u32, Arc<FetchFile>>,
    bytes: usize,
}

impl Default for OpenFiles {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { files: LruCache::new(OPEN_FILES_MAX), bytes: 0 }) }
    }
}

impl OpenFiles {
    pub(super) fn get(&self, ordinal: u32) -> Option<Arc<FetchFile>> {
        self.lock().files.get(&ordinal).map(Arc::clone)
    }

    pub(super) fn keep(&self, file: &Arc<FetchFile>) {
        let mut kept = self.lock();
        kept.bytes += file.footer_bytes();
        if let Some((_, gone)) = kept.files.push(file.ordinal, Arc::clone(file)) {
            kept.bytes -= gone.footer_bytes();
        }
        while kept.bytes > FOOTERS_BYTES_MAX && kept.files.len() > 1 {
            let Some((_, gone)) = kept.files.pop_lru() else { break };
            kept.bytes -= gone.footer_bytes();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
