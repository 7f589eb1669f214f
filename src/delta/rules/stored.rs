//! Rows as rules see them. The log's texts speak of Delta's types, which other writers see, whatever DuckDB calls them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatchOptions, new_null_array},
    datatypes::{Field, Schema, SchemaRef},
    record_batch::RecordBatch,
};

use crate::{
    delta::{
        duckdb_types::{is_stored_as_is, store},
        schema::TableSchema,
    },
    engine::{Error, Result},
};

/// How the columns of the seam become those that rules read.
#[derive(Debug)]
pub(super) struct StoredColumns {
    logical: SchemaRef,
    stored: SchemaRef,
    /// For each column, whether a rule reads it.
    read: Vec<bool>,
}

impl StoredColumns {
    pub(super) fn new(schema: &TableSchema, read: impl Iterator<Item = usize>) -> Self {
        let mut is_read = vec![false; schema.stored.fields().len()];
        read.for_each(|column| is_read[column] = true);
        Self { logical: schema.logical.clone(), stored: schema.stored.clone(), read: is_read }
    }

    /// The same rows; columns that no rule reads may be NULL.
    ///
    /// # Errors
    /// `InvalidArgument` by column for a value that cannot be stored.
    pub(super) fn of(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let columns = rows.columns().iter().enumerate().map(|(index, column)| {
            if is_stored_as_is(self.logical.field(index)) {
                Ok(Arc::clone(column))
            } else if self.read[index] {
                store(column, self.logical.field(index))
            } else {
                Ok(new_null_array(self.stored.field(index).data_type(), column.len()))
            }
        });
        batch(self.stored.fields().iter().map(|field| field.name()), columns.collect::<Result<_>>()?, rows.num_rows())
    }
}

/// The rows with one column replaced.
pub(super) fn replaced(rows: &RecordBatch, index: usize, values: ArrayRef) -> Result<RecordBatch> {
    let mut fields: Vec<_> = rows.schema_ref().fields().iter().cloned().collect();
    let field = fields[index].as_ref().clone();
    fields[index] = Arc::new(field.with_data_type(values.data_type().clone()).with_nullable(true));
    let mut columns = rows.columns().to_vec();
    columns[index] = values;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(misfit)
}

/// Under the types the arrays have: those of nested fields may be spelt otherwise than the table's.
fn batch<'a>(names: impl Iterator<Item = &'a String>, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let fields = names.zip(&columns).map(|(name, column)| Field::new(name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(misfit)
}

fn misfit(error: arrow::error::ArrowError) -> Error {
    Error::internal("could not put the columns of a batch together", error)
}
