//! What every unit of a scan shares, and how it gets at files.

use std::{
    any::Any,
    io,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::ArrayRef,
    datatypes::{Schema, SchemaRef},
};
use bytes::Bytes;
use delta_kernel::actions::deletion_vector::DeletionVectorDescriptor;
use object_store::path::Path;
use parquet::{errors::ParquetError, file::reader::ChunkReader};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{LeftOut, ScanSource, deletion::locate, input::Input, width::fixed_bytes};
use crate::{
    delta::{
        duckdb_types::{is_stored_as_is, load, stored_predicate},
        file::DataFile,
    },
    engine::{Error, Predicate, Result, ScanRequest, row_id_field},
};

/// A file of the table that cannot be opened.
///
/// That one is gone is nobody's failure: the log of the version that is read was right when it was read.
pub(super) fn unreadable(path: &Path, source: ParquetError) -> Error {
    match &source {
        ParquetError::External(cause) if is_not_found(cause.as_ref()) => Error::FailedPrecondition(format!(
            "file {path} is gone: since its table was last looked at the table was dropped, or a VACUUM removed what \
             only older versions have; begin a new transaction"
        )),
        _ => Error::internal(format!("file {path} cannot be read"), source),
    }
}

fn is_not_found(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let of_disk = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    let of_store = cause.downcast_ref::<object_store::Error>();
    of_disk == Some(io::ErrorKind::NotFound) || matches!(of_store, Some(object_store::Error::NotFound { .. }))
}

/// A scan.
#[derive(Debug)]
pub(super) struct ScanContext {
    pub(super) source: ScanSource,
    /// Its predicate is about stored values.
    pub(super) request: ScanRequest,
    /// Rows that are passed over.
    pub(super) left_out: LeftOut,
    /// What rows are filtered by, if not by all of the request's predicate; about stored values.
    pub(super) row_filter: Option<Predicate>,
    /// The columns of the answer.
    pub(super) schema: SchemaRef,
    /// Which of its columns are not what is stored.
    loads: Vec<bool>,
    /// What a row of the answer takes that no file tells of.
    pub(super) fixed_bytes: usize,
    /// Does the requests of threads that wait for them.
    pub(super) runtime: Handle,
    /// Ends the scan early.
    pub(super) cancelled: CancellationToken,
}

impl ScanContext {
    /// # Errors
    /// `InvalidArgument` if the request names a column that is not there.
    pub(super) fn new(source: ScanSource, request: ScanRequest, runtime: Handle) -> Result<Self> {
        let columns = source.schema.logical.fields();
        let column = |index: &usize| {
            let count = columns.len();
            let none = || Error::InvalidArgument(format!("there is no column {index}; the table has {count}"));
            columns.get(*index).cloned().ok_or_else(none)
        };
        let predicate = stored_predicate(&request.predicate, &source.schema.logical);
        let request = ScanRequest { predicate, ..request };
        let mut fields = request.projection.iter().map(column).collect::<Result<Vec<_>>>()?;
        fields.extend(request.row_id.then(|| Arc::new(row_id_field())));
        let loads = fields.iter().map(|field| !is_stored_as_is(field)).collect();
        let schema = Arc::new(Schema::new(fields));
        let fixed_bytes = fixed_bytes(schema.fields());
        let (left_out, cancelled) = (LeftOut::new(), CancellationToken::new());
        Ok(Self { source, request, left_out, row_filter: None, schema, loads, fixed_bytes, runtime, cancelled })
    }

    /// The scan with its rows filtered by another predicate.
    pub(super) fn filtered_by(self, predicate: &Predicate) -> Self {
        let row_filter = Some(stored_predicate(predicate, &self.source.schema.logical));
        Self { row_filter, ..self }
    }

    /// The scan without some rows.
    pub(super) fn without(self, left_out: LeftOut) -> Self {
        Self { left_out, ..self }
    }

    /// A column of the answer, made of what is stored of it.
    ///
    /// # Errors
    /// `FailedPrecondition` if a value is none of the column's type.
    pub(super) fn load(&self, column: usize, stored: ArrayRef) -> Result<ArrayRef> {
        if self.loads[column] { load(&stored, self.schema.field(column)) } else { Ok(stored) }
    }

    /// # Errors
    /// If nobody waits for the scan any more.
    pub(super) fn check_cancelled(&self) -> Result<()> {
        match self.cancelled.is_cancelled() {
            true => Err(Error::internal("the scan was cancelled", "its stream was dropped")),
            false => Ok(()),
        }
    }

    /// Runs a decoder, which may panic on a corrupt file. `file` is the file's ordinal.
    pub(super) fn guarded<T>(&self, file: u32, work: impl FnOnce() -> Result<T>) -> Result<T> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
            let path = &self.source.files[file as usize].path;
            Err(Error::internal(format!("file {path} cannot be decoded"), message(panic.as_ref())))
        })
    }

    /// The bytes of a data file.
    pub(super) fn input(&self, file: &DataFile) -> Result<Input> {
        self.open(&file.path, file.size_bytes)
    }

    /// A range of another file of the table.
    fn read_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        let length = usize::try_from(range.end - range.start)
            .map_err(|source| Error::internal(format!("a range of {path} is too long"), source))?;
        self.open(path, range.end)?.get_bytes(range.start, length).map_err(|source| unreadable(path, source))
    }

    /// The bytes of a deletion vector, framed as in its file; `None` if the log holds them.
    pub(super) fn read_vector(&self, vector: &DeletionVectorDescriptor) -> Result<Option<Bytes>> {
        match locate(vector, &self.source.table_root)? {
            Some(place) => self.read_range(&place.path, place.range).map(Some),
            None => Ok(None),
        }
    }

    fn open(&self, path: &Path, size_bytes: u64) -> Result<Input> {
        match &self.source.local_root {
            Some(root) => Input::local(&root.join(path.as_ref())).map_err(|source| unreadable(path, source)),
            None => {
                let (store, runtime) = (Arc::clone(&self.source.store), self.runtime.clone());
                Ok(Input::remote(store, path.clone(), size_bytes, runtime, self.cancelled.clone()))
            }
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the decoder panicked").to_owned()
}
