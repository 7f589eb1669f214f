//! Bytes of data files for the Parquet reader: read in place from a local disk, fetched ahead from a store.
//!
//! Everything here blocks; it runs on threads that may.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    iter,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path as FilePath,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Read at once where the Parquet reader looks for a page header. Headers are some tens of bytes; this holds one
/// with statistics.
const HEADER_BYTES: usize = 1024;

/// Fetched at once from the end of a file in a store: holds nearly every footer, and a second request costs more
/// than these bytes.
const FOOTER_BYTES: u64 = 64 * 1024;

/// One data file.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// A file on a local disk.
    Local(LocalFile),
    /// An object in a store.
    Remote(Arc<RemoteFile>),
}

/// A file that is read at positions, so that its readers share no cursor.
#[derive(Debug, Clone)]
pub(super) struct LocalFile {
    file: Arc<File>,
    size_bytes: u64,
}

/// An object and those of its ranges that were fetched ahead.
#[derive(Debug)]
pub(super) struct RemoteFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size_bytes: u64,
    runtime: Handle,
    cancelled: CancellationToken,
    fetched: Mutex<Vec<(u64, Bytes)>>,
}

impl Input {
    /// A file on a local disk.
    pub(super) fn local(path: &FilePath) -> Result<Self> {
        let file = File::open(path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self::Local(LocalFile { file: Arc::new(file), size_bytes }))
    }

    /// An object of a store; `runtime` does the requests, and `cancelled` ends them early.
    pub(super) fn remote(
        store: Arc<dyn ObjectStore>,
        path: Path,
        size_bytes: u64,
        runtime: Handle,
        cancelled: CancellationToken,
    ) -> Self {
        let fetched = Mutex::default();
        Self::Remote(Arc::new(RemoteFile { store, path, size_bytes, runtime, cancelled, fetched }))
    }

    /// The same file for another reader: what one fetches ahead the other does not forget.
    pub(super) fn separate(&self) -> Self {
        match self {
            Self::Local(_) => self.clone(),
            Self::Remote(remote) => Self::Remote(Arc::new(RemoteFile {
                store: Arc::clone(&remote.store),
                path: remote.path.clone(),
                size_bytes: remote.size_bytes,
                runtime: remote.runtime.clone(),
                cancelled: remote.cancelled.clone(),
                fetched: Mutex::default(),
            })),
        }
    }

    /// Says that the footer will be read next.
    pub(super) fn fetch_footer(&self) -> Result<()> {
        let size_bytes = self.len();
        self.fetch_ahead(iter::once(size_bytes.saturating_sub(FOOTER_BYTES)..size_bytes))
    }

    /// Says which bytes will be read next. A local file needs no telling.
    pub(super) fn fetch_ahead(&self, ranges: impl IntoIterator<Item = Range<u64>>) -> Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Remote(remote) => remote.fetch_ahead(ranges.into_iter().collect()),
        }
    }

    /// Frees what was fetched ahead.
    pub(super) fn forget_fetched(&self) {
        if let Self::Remote(remote) = self {
            remote.fetched().clear();
        }
    }
}

impl RemoteFile {
    fn fetch_ahead(&self, mut ranges: Vec<Range<u64>>) -> Result<()> {
        ranges.retain(|range| !range.is_empty() && self.cached(range).is_none());
        if ranges.is_empty() {
            return Ok(());
        }
        let parts = self.wait_for(self.store.get_ranges(&self.path, &ranges))?;
        self.fetched().extend(ranges.iter().map(|range| range.start).zip(parts));
        Ok(())
    }

    fn cached(&self, range: &Range<u64>) -> Option<Bytes> {
        self.fetched().iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        })
    }

    fn get(&self, range: Range<u64>) -> Result<Bytes> {
        match self.cached(&range) {
            Some(bytes) => Ok(bytes),
            None => self.wait_for(self.store.get_range(&self.path, range)),
        }
    }

    fn wait_for<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<T> {
        match self.runtime.block_on(self.cancelled.run_until_cancelled(request)) {
            Some(answer) => answer.map_err(|error| ParquetError::External(Box::new(error))),
            None => Err(ParquetError::General("the scan was cancelled".to_owned())),
        }
    }

    fn fetched(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Bytes)>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Length for Input {
    fn len(&self) -> u64 {
        match self {
            Self::Local(local) => local.size_bytes,
            Self::Remote(remote) => remote.size_bytes,
        }
    }
}

impl ChunkReader for Input {
    type T = BufReader<InputReader>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, InputReader { input: self.clone(), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.len());
        let Some(end) = end else {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} are beyond the end at {}", self.len())));
        };
        match self {
            Self::Local(local) => {
                let mut buffer = vec![0; length];
                local.file.read_exact_at(&mut buffer, start)?;
                Ok(buffer.into())
            }
            Self::Remote(remote) => remote.get(start..end),
        }
    }
}

/// Reads an [`Input`] from a position on.
#[derive(Debug)]
pub(super) struct InputReader {
    input: Input,
    position: u64,
}

impl Read for InputReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.input.len().saturating_sub(self.position);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        match &self.input {
            Input::Local(local) => local.file.read_exact_at(&mut buffer[..length], self.position)?,
            remote @ Input::Remote(_) => {
                remote.get_bytes(self.position, length).map_err(io::Error::other)?.copy_to_slice(&mut buffer[..length]);
            }
        }
        self.position += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn content() -> Vec<u8> {
        (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn check(input: &Input) {
        let expected = content();
        assert_eq!(input.len(), expected.len() as u64);
        assert_eq!(input.get_bytes(5, 10).unwrap(), expected[5..15]);
        assert_eq!(input.get_bytes(799_990, 10).unwrap(), expected[799_990..]);
        assert!(input.get_bytes(799_990, 11).is_err());
        assert!(input.get_bytes(u64::MAX, 11).is_err());
        let mut tail = Vec::new();
        input.get_read(790_001).unwrap().read_to_end(&mut tail).unwrap();
        assert_eq!(tail, expected[790_001..]);
        assert_eq!(input.get_read(900_000).unwrap().read(&mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn local_files_are_read_at_positions() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        std::fs::write(&path, content()).unwrap();
        check(&Input::local(&path).unwrap());
        assert!(Input::local(&directory.path().join("absent")).is_err());
    }

    #[test]
    fn objects_are_read_from_what_was_fetched_or_anew() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = Arc::new(InMemory::new());
        let path = Path::from("f");
        runtime.block_on(store.put(&path, content().into())).unwrap();
        let cancelled = CancellationToken::new();
        let size = content().len() as u64;
        let handle = runtime.handle().clone();
        let input = Input::remote(Arc::clone(&store) as _, path.clone(), size, handle, cancelled.clone());
        input.fetch_footer().unwrap();
        check(&input);
        input.fetch_ahead([0..100, 90..200, 7..7]).unwrap();
        runtime.block_on(store.delete(&path)).unwrap();
        assert_eq!(input.get_bytes(95, 50).unwrap(), content()[95..145]);
        assert!(input.get_bytes(50, 100).is_err(), "spans two fetched ranges, and the object is gone");
        input.forget_fetched();
        assert!(input.get_bytes(95, 50).is_err());
        cancelled.cancel();
        assert!(input.fetch_ahead(iter::once(0..1)).is_err());
    }
}
