//! Single rows of a version, by their places.
//!
//! - `wanted`: the places of a call in the order of files, and what was read in the order asked.
//! - `files`: open files, kept for the next call.
//! - `jobs`: what is to be read of a file, piece by piece, and the reading.
//! - `windows`: runs of rows decoded whole and kept, where calls ask for a few rows of them again and again.
//!
//! It reads through [`UnitReader`](super::unit_reader::UnitReader), as scans do: only the row groups and pages that hold
//! the places.
//!
//! # Memory
//!
//! A call holds its answer twice, once as it was read and once in order; [`RowFetcher::fetch_first`] bounds it. Between
//! calls open files and windows are kept, each up to a bound of their own.

mod files;
mod jobs;
mod wanted;
mod windows;

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use arrow::array::{RecordBatch, RecordBatchOptions};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::{runtime::Handle, sync::Semaphore};
use tokio_util::sync::DropGuard;

use self::{
    files::{FetchFile, OpenFiles},
    jobs::{Job, Meter},
    wanted::Wanted,
    windows::Windows,
};
use super::{ScanSource, context::ScanContext};
use crate::engine::{Error, Predicate, Result, ScanRequest};

/// Threads that decode at once where there are fewer cores, if files come from a store: most of the time they wait for
/// it, and not for long each.
const STORE_THREADS_MIN: usize = 16;

/// A row of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowPlace {
    /// The file's ordinal in the version.
    pub(crate) file: u32,
    /// The row's position in the file, deleted rows counted.
    pub(crate) position: u64,
}

/// Reads rows by their places: only the row groups and pages that hold them. Dropping it ends what is under way.
#[derive(Debug)]
pub(crate) struct RowFetcher {
    shared: Arc<Shared>,
    /// Of the rows read so far, for guessing how many make so many bytes.
    rows: u64,
    bytes: u64,
    _cancel_on_drop: DropGuard,
}

/// What the threads of a fetcher share.
#[derive(Debug)]
struct Shared {
    scan: Arc<ScanContext>,
    runtime: Handle,
    threads: Arc<Semaphore>,
    threads_max: usize,
    files: OpenFiles,
    windows: Mutex<Windows>,
}

impl RowFetcher {
    /// `columns` are indexes into the version's columns, ascending, without repetition.
    ///
    /// # Errors
    /// `InvalidArgument` if a column is not there; `Internal` without a tokio runtime.
    pub(crate) fn new(source: ScanSource, columns: Vec<usize>) -> Result<Self> {
        let runtime =
            Handle::try_current().map_err(|source| Error::internal("reading rows needs a runtime", source))?;
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let threads_max = if source.local_root.is_some() { cores } else { cores.max(STORE_THREADS_MIN) };
        let request = ScanRequest { projection: columns, row_id: false, predicate: Predicate::Unknown };
        let scan = Arc::new(ScanContext::new(source, request, runtime.clone())?);
        let shared = Shared {
            runtime,
            threads: Arc::new(Semaphore::new(threads_max)),
            threads_max,
            files: OpenFiles::default(),
            windows: Mutex::default(),
            scan,
        };
        let cancel_on_drop = shared.scan.cancelled.clone().drop_guard();
        Ok(Self { shared: Arc::new(shared), rows: 0, bytes: 0, _cancel_on_drop: cancel_on_drop })
    }

    /// The rows at `places`, in that order, in the seam's types. Every place is one of a live row, and none comes twice.
    ///
    /// # Errors
    /// `Internal` by file for a place that is not there, or a file that cannot be read; `FailedPrecondition` if a file is
    /// gone.
    pub(crate) async fn fetch(&mut self, places: &[RowPlace]) -> Result<RecordBatch> {
        self.fetch_first(places, usize::MAX).await
    }

    /// The rows at the first of `places`: all of them, or as many as make about `bytes_max`, and at least one.
    ///
    /// # Errors
    /// As [`Self::fetch`].
    pub(crate) async fn fetch_first(&mut self, places: &[RowPlace], bytes_max: usize) -> Result<RecordBatch> {
        let mut count = self.guess(bytes_max).min(places.len());
        loop {
            let bound = if count > 1 { bytes_max } else { usize::MAX };
            let meter = Arc::new(Meter::new(bound));
            if let Some(rows) = Arc::clone(&self.shared).read(&places[..count], &meter).await? {
                self.rows += rows.num_rows() as u64;
                self.bytes += meter.bytes() as u64;
                return Ok(rows);
            }
            count /= 2;
        }
    }

    /// How many rows make so many bytes, if they are like those before.
    fn guess(&self, bytes_max: usize) -> usize {
        let rows = (bytes_max as u128 * u128::from(self.rows)).checked_div(u128::from(self.bytes));
        rows.map_or(usize::MAX, |rows| usize::try_from(rows).unwrap_or(usize::MAX).max(1))
    }
}

impl Shared {
    /// The rows, unless they are more than the meter allows.
    async fn read(self: Arc<Self>, places: &[RowPlace], meter: &Arc<Meter>) -> Result<Option<RecordBatch>> {
        if self.scan.request.projection.is_empty() || places.is_empty() {
            return self.without_columns(places.len()).map(Some);
        }
        self.windows().begin_call();
        let wanted = Arc::new(Wanted::new(places)?);
        let of_files: Vec<_> = wanted
            .files()
            .map(|(file, rows)| Arc::clone(&self).read_file(file, rows, Arc::clone(&wanted), Arc::clone(meter)))
            .collect();
        let mut of_files = stream::iter(of_files).buffered(self.threads_max);
        let mut parts = Vec::new();
        while let Some(of_file) = of_files.try_next().await? {
            match of_file {
                Some(of_file) => parts.extend(of_file),
                None => return Ok(None),
            }
        }
        let first_file = wanted.files().next().map_or(0, |(file, _)| file);
        let schema = Arc::clone(&self.scan.schema);
        self.blocking(first_file, move |_| wanted.in_order(&schema, parts)).await.map(Some)
    }

    /// Rows of one file, in the order of their positions.
    async fn read_file(
        self: Arc<Self>,
        file: u32,
        rows: Range<usize>,
        wanted: Arc<Wanted>,
        meter: Arc<Meter>,
    ) -> Result<Option<Vec<RecordBatch>>> {
        let open = match self.files.get(file) {
            Some(open) => open,
            None => Arc::clone(&self).blocking(file, move |shared| shared.open(file)).await?,
        };
        let jobs = jobs::of_file(&open, wanted.positions(), rows, &mut self.windows())?;
        let run = |job: Job| {
            let (wanted, meter, open) = (Arc::clone(&wanted), Arc::clone(&meter), Arc::clone(&open));
            Arc::clone(&self)
                .blocking(file, move |shared| job.run(&shared.scan, &open, wanted.positions(), &meter, &shared.windows))
        };
        let runs: Vec<_> = jobs.into_iter().map(run).collect();
        let mut runs = stream::iter(runs).buffered(self.threads_max);
        let mut parts = Vec::new();
        while let Some(batches) = runs.try_next().await? {
            match batches {
                Some(batches) => parts.extend(batches),
                None => return Ok(None),
            }
        }
        Ok(Some(parts))
    }

    fn open(&self, file: u32) -> Result<Arc<FetchFile>> {
        let open = Arc::new(FetchFile::open(&self.scan, file)?);
        self.files.keep(&open);
        Ok(open)
    }

    fn without_columns(&self, count: usize) -> Result<RecordBatch> {
        let columns = self.scan.schema.fields().iter().map(|field| arrow::array::new_empty_array(field.data_type()));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(Arc::clone(&self.scan.schema), columns.collect(), &options)
            .map_err(|source| Error::internal("rows cannot be counted", source))
    }

    /// Runs work that blocks, for a file, when a thread is free.
    async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        file: u32,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let broke = |source| Error::internal("reading rows broke down", source);
        if file as usize >= self.scan.source.files.len() {
            let (version, files) = (self.scan.source.version, self.scan.source.files.len());
            let range = format!("version {version} has {files} files");
            return Err(Error::internal(format!("there is no file {file}"), range));
        }
        let permit = Arc::clone(&self.threads).acquire_owned().await.map_err(|source| broke(source.into()))?;
        let runtime = self.runtime.clone();
        let running = runtime.spawn_blocking(move || {
            let _permit = permit;
            self.scan.check_cancelled()?;
            self.scan.guarded(file, || work(&self))
        });
        running.await.map_err(|source| broke(Box::<dyn std::error::Error + Send + Sync>::from(source)))?
    }

    fn windows(&self) -> std::sync::MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
