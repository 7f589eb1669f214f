//! Where the bytes of one data file go: a file of the local disk, or an upload to an object store.
//!
//! Blocking, for the encoder's thread only.

use std::{
    fs::File,
    io::{self, Write},
    sync::Arc,
};

use object_store::{ObjectStore, buffered::BufWriter, path::Path};
use tokio::{io::AsyncWriteExt, runtime::Handle};

/// Bytes of one part of an upload: S3 wants at least 5 MiB, and takes ten thousand of them.
const PART_BYTES: usize = 8 << 20;

/// Takes the bytes of a data file in order.
#[derive(Debug)]
pub(super) enum Sink {
    Local(Arc<File>),
    Remote(Box<Upload>),
}

impl Sink {
    /// All bytes are written. A local file is still to be synced; an object is durable.
    pub(super) fn finish(&mut self) -> io::Result<Option<Arc<File>>> {
        match self {
            Self::Local(file) => Ok(Some(Arc::clone(file))),
            Self::Remote(upload) => upload.finish().map(|()| None),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Local(file) => (&**file).write(bytes),
            Self::Remote(upload) => upload.runtime.block_on(upload.writer.write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Whatever is not yet sent goes with the last part: parts sent early would be too small.
        Ok(())
    }
}

/// An upload; given up when dropped before it is finished.
#[derive(Debug)]
pub(super) struct Upload {
    writer: BufWriter,
    runtime: Handle,
    finishing: bool,
}

impl Upload {
    /// Sends at most `parts_max` parts at once.
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path, runtime: Handle, parts_max: usize) -> Self {
        let writer = BufWriter::with_capacity(store, path, PART_BYTES).with_max_concurrency(parts_max);
        Self { writer, runtime, finishing: false }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finishing = true;
        self.runtime.block_on(self.writer.shutdown())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A finish that failed has taken the upload with it: its parts are left to the store's own clean-up.
        if self.finishing {
            return;
        }
        if std::thread::panicking() {
            return tracing::warn!(
                "an upload was left unfinished by a panic; its parts are left to the store's clean-up"
            );
        }
        if let Err(e) = self.runtime.block_on(self.writer.abort()) {
            tracing::warn!(error = %e, "could not give up an upload; its parts are left to the store's clean-up");
        }
    }
}
