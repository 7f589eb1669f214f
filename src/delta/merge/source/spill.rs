//! Batches in an Arrow IPC file, mapped into memory when it is whole.
//!
//! Everything here blocks. The file has no name: it is gone as soon as nobody holds it, however the process ends, and
//! nobody else can change what is mapped.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{
        MetadataVersion,
        reader::{FileDecoder, read_footer_length},
        root_as_footer,
        writer::{FileWriter, IpcWriteOptions},
    },
};
use bytes::Bytes;
use symbolic_common::ByteView;

use crate::engine::{Error, Result};

/// Arrays begin at multiples of this, as Arrow recommends, so that they can be read where they lie.
const ALIGNMENT_BYTES: usize = 64;

/// What ends an Arrow IPC file: the footer's length and a magic number.
const TRAILER_BYTES: usize = 10;

/// A file that is being written.
pub(super) struct Spill {
    file: File,
    writer: FileWriter<BufWriter<Box<dyn Write + Send>>>,
    /// For errors.
    directory: Arc<Path>,
}

impl Spill {
    /// An empty file in a directory.
    ///
    /// # Errors
    /// `ResourceExhausted`, as of every other call, if the directory does not take it.
    pub(super) fn create(directory: &Arc<Path>, schema: &SchemaRef) -> Result<Self> {
        let file = tempfile::tempfile_in(directory).map_err(|error| unwritable(directory, error))?;
        let writer = file.try_clone().map_err(|error| unwritable(directory, error))?;
        Self::over(file, Box::new(writer), directory, schema)
    }

    /// What is written to `writer` is what `file` holds.
    pub(super) fn over(
        file: File,
        writer: Box<dyn Write + Send>,
        directory: &Arc<Path>,
        schema: &SchemaRef,
    ) -> Result<Self> {
        let options = IpcWriteOptions::try_new(ALIGNMENT_BYTES, false, MetadataVersion::V5).map_err(unreadable)?;
        let writer = FileWriter::try_new_with_options(BufWriter::new(writer), schema, options);
        let writer = writer.map_err(|error| unwritable(directory, error))?;
        Ok(Self { file, writer, directory: Arc::clone(directory) })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| unwritable(&self.directory, error))
    }

    /// The batches that were written, as views of the mapped file: it lives as long as one of them.
    pub(super) fn finish(mut self) -> Result<Vec<RecordBatch>> {
        self.writer.finish().map_err(|error| unwritable(&self.directory, error))?;
        drop(self.writer);
        let view = ByteView::map_file(self.file).map_err(|error| unwritable(&self.directory, error))?;
        batches(&Buffer::from(Bytes::from_owner(view))).map_err(unreadable)
    }
}

fn batches(file: &Buffer) -> Result<Vec<RecordBatch>, ArrowError> {
    let cut_off = || ArrowError::IpcError("the file is cut off".to_owned());
    let trailer = file.len().checked_sub(TRAILER_BYTES).ok_or_else(cut_off)?;
    let length = read_footer_length(file[trailer..].try_into().map_err(|_| cut_off())?)?;
    let footer = trailer.checked_sub(length).ok_or_else(cut_off)?;
    let footer = root_as_footer(&file[footer..trailer]).map_err(|error| ArrowError::IpcError(error.to_string()))?;
    let schema = footer.schema().ok_or_else(cut_off)?;
    let schema = Arc::new(arrow::ipc::convert::fb_to_schema(schema));
    let decoder = FileDecoder::new(schema, footer.version()).with_require_alignment(true);
    let blocks = footer.recordBatches().into_iter().flatten();
    let batch = |block: &arrow::ipc::Block| {
        let part = |length: i64| usize::try_from(length).map_err(|_| cut_off());
        let (start, length) = (part(block.offset())?, part(block.metaDataLength().into())? + part(block.bodyLength())?);
        if start.checked_add(length).is_none_or(|end| end > file.len()) {
            return Err(cut_off());
        }
        decoder.read_record_batch(block, &file.slice_with_length(start, length))?.ok_or_else(cut_off)
    };
    blocks.map(batch).collect()
}

fn unwritable(directory: &Path, error: impl std::fmt::Display) -> Error {
    Error::ResourceExhausted(format!(
        "rows of the MERGE do not fit its memory (--merge-memory-mib-max) and cannot be written to {} \
         (--spill-directory): {error}",
        directory.display()
    ))
}

fn unreadable(error: ArrowError) -> Error {
    Error::internal("reading spilled rows of the MERGE", error)
}
