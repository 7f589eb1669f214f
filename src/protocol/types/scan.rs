//! The columns a scan asks for, and the stream that carries them.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, NullArray, RecordBatch, RecordBatchOptions},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
};

use super::travelling::{travelling_column, travelling_field};
use crate::engine::{Error, Result, ScanRequest, row_id_field};

/// `COLUMN_IDENTIFIER_ROW_ID` (DuckDB's `common/constants.hpp`).
const ROW_ID: u64 = u64::MAX;

/// `COLUMN_IDENTIFIER_EMPTY`: no column, only the number of rows.
const EMPTY: u64 = u64::MAX - 1;

/// Which columns a query uses (`airport_take_flight.cpp`, AirportGetFlightEndpoints).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// Indexes of columns, ascending, without repetition.
    pub columns: Vec<usize>,
    /// Whether the row id is used.
    pub row_id: bool,
}

impl Projection {
    /// Reads `column_ids`, which come in the order of the query.
    ///
    /// # Errors
    /// `InvalidArgument` if one is no column of the table.
    pub fn from_column_ids(column_ids: &[u64], table: &Schema) -> Result<Self> {
        let mut columns = Vec::with_capacity(column_ids.len().min(table.fields().len()));
        for &id in column_ids.iter().filter(|&&id| id != ROW_ID && id != EMPTY) {
            match usize::try_from(id).ok().filter(|&index| index < table.fields().len()) {
                Some(index) => columns.push(index),
                None => return Err(no_column(id, table)),
            }
        }
        columns.sort_unstable();
        columns.dedup();
        Ok(Self { columns, row_id: column_ids.contains(&ROW_ID) })
    }
}

/// The stream of a scan.
///
/// The client picks columns by their position in the table, so every column has its place, but it never looks at
/// those it did not ask for, and takes each batch by the batch's own types. So they are sent as columns of type NULL,
/// which take no bytes. The row id, last, is left out when it is not asked for.
#[derive(Debug, Clone)]
pub struct ScanShape {
    schema: SchemaRef,
    /// For each column of the stream its index in the engine's batch; `None` is a column not asked for.
    sources: Vec<Option<usize>>,
}

impl ScanShape {
    /// The stream that answers `request` on a table.
    ///
    /// # Errors
    /// `InvalidArgument` if the request names a column the table has not.
    pub fn new(table: &Schema, request: &ScanRequest) -> Result<Self> {
        let mut sources = vec![None; table.fields().len()];
        for (position, &index) in request.projection.iter().enumerate() {
            *sources.get_mut(index).ok_or_else(|| no_column(index as u64, table))? = Some(position);
        }
        let column = |(field, source): (&FieldRef, &Option<usize>)| match source {
            Some(_) => travelling_field(field),
            None => Arc::new(Field::new(field.name(), DataType::Null, true)),
        };
        let mut fields: Vec<FieldRef> = table.fields().iter().zip(&sources).map(column).collect();
        if request.row_id {
            fields.push(Arc::new(row_id_field()));
            sources.push(Some(request.projection.len()));
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), sources })
    }

    /// The schema of the stream.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// A batch of the engine (the projected columns, then the row id) as a batch of the stream.
    ///
    /// # Errors
    /// `Internal` if the batch does not have the columns of the request.
    pub fn widen(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let nulls: ArrayRef = Arc::new(NullArray::new(rows));
        let column = |source: &Option<usize>| match source {
            None => Some(Arc::clone(&nulls)),
            Some(index) => batch.columns().get(*index).map(travelling_column),
        };
        let columns: Option<Vec<_>> = self.sources.iter().map(column).collect();
        let columns = columns.ok_or_else(|| Error::internal("widening a batch", "a projected column is missing"))?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Error::internal("widening a batch", error))
    }
}

fn no_column(index: u64, table: &Schema) -> Error {
    Error::InvalidArgument(format!("column {index} was asked for and the table has {}", table.fields().len()))
}
