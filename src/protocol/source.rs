//! The rows of a merge's source: as the client sends them, and as the engine takes them.
//!
//! The client ends its stream in the same way when its query has given all rows, when it failed or was interrupted half
//! way, and when it runs in several parts of which this was the first (a UNION ALL, a FULL OUTER JOIN): its writer closes
//! politely when it is destroyed (`storage/airport_table_function_set.cpp`). A source can say how many rows it has, in a
//! column of its own; then the difference is seen.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch, RecordBatchOptions, new_null_array},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef},
};

use super::types::{Conform, canonical_schema, enum_column, with_nulls};
use crate::engine::{Error, Result};

/// The column of a source that says in every row how many rows there are: `count(*) OVER ()`. It is no column of the
/// source otherwise.
pub const SOURCE_ROWS: &str = "merge_source_rows";

/// What is said and seen of how many rows there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    told: Option<i64>,
    seen: i64,
}

/// The columns of a source, and how many rows have come.
#[derive(Debug, Clone)]
pub struct SourceShape {
    /// In the order they are sent, without [`SOURCE_ROWS`].
    columns: SchemaRef,
    conform: Conform,
    /// The places of `columns` in a batch as it is sent.
    places: Vec<usize>,
    /// The place of [`SOURCE_ROWS`].
    counter: Option<usize>,
    count: Count,
}

impl SourceShape {
    /// A source that is sent as `sent`, for a table of the columns `table`: a column of type NULL is taken for one of the
    /// type its namesake has there, or for VARCHAR, which any type takes.
    ///
    /// # Errors
    /// `Unsupported` for a type that is not offered, by column; `InvalidArgument` if [`SOURCE_ROWS`] is no BIGINT.
    pub fn new(sent: &SchemaRef, table: &Schema) -> Result<Self> {
        let counter = sent.fields().iter().position(|field| field.name().eq_ignore_ascii_case(SOURCE_ROWS));
        if let Some(counter) = counter.map(|place| sent.field(place))
            && counter.data_type() != &DataType::Int64
        {
            return Err(Error::InvalidArgument(format!(
                "column {:?} of the source is not a BIGINT; it is count(*) OVER ()",
                counter.name()
            )));
        }
        let places: Vec<_> = (0..sent.fields().len()).filter(|place| Some(*place) != counter).collect();
        let typed = |place: &usize| typed(&sent.fields()[*place], table);
        let typed = Schema::new(places.iter().map(typed).collect::<Vec<_>>());
        if let Some(column) = enum_column(&typed) {
            // Its values come in messages of their own, which nothing here reads.
            return Err(Error::Unsupported(format!(
                "column {column:?} of the source is of type ENUM, which is not offered; cast it to VARCHAR"
            )));
        }
        let columns = Arc::new(with_nulls(&canonical_schema(&typed)?));
        let conform = Conform::new(Arc::new(typed), Arc::clone(&columns))?;
        Ok(Self { columns, conform, places, counter, count: Count::default() })
    }

    /// The columns as the engine takes them.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// Rows as they are sent, as the engine takes them.
    ///
    /// # Errors
    /// As [`Conform::apply`]; `InvalidArgument` if [`SOURCE_ROWS`] is NULL or says this and then that.
    pub fn take(&mut self, sent: &RecordBatch) -> Result<RecordBatch> {
        self.count(sent)?;
        let wanted = self.columns.fields().iter().zip(&self.places);
        let columns = wanted.map(|(field, place)| {
            let column = sent.columns().get(*place).ok_or_else(not_of_its_schema)?;
            Ok(match column.data_type() {
                DataType::Null => new_null_array(field.data_type(), sent.num_rows()),
                _ => Arc::clone(column),
            })
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let fields = self.columns.fields().iter().zip(&columns);
        let fields = fields.map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let options = RecordBatchOptions::new().with_row_count(Some(sent.num_rows()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|error| Error::InvalidArgument(format!("a batch of the source: {error}")))?;
        self.conform.apply(&rows)
    }

    /// Whether all rows have come, as far as the source says.
    ///
    /// # Errors
    /// `InvalidArgument` if not.
    pub fn check_complete(&self) -> Result<()> {
        match self.count {
            Count { told: Some(told), seen } if told != seen => Err(Error::InvalidArgument(format!(
                "the source ended after {seen} of {told} rows, so nothing was merged: its query failed, was interrupted, or \
                 ran in several parts, of which DuckDB's client sends one; if so, materialise it first (WITH s AS \
                 MATERIALIZED (...))"
            ))),
            _ => Ok(()),
        }
    }

    fn count(&mut self, sent: &RecordBatch) -> Result<()> {
        self.count.seen = self.count.seen.saturating_add(i64::try_from(sent.num_rows()).unwrap_or(i64::MAX));
        let Some(counter) = self.counter else { return Ok(()) };
        let told = sent.columns().get(counter).and_then(|column| column.as_primitive_opt::<Int64Type>());
        for told in told.ok_or_else(not_of_its_schema)? {
            match (told, self.count.told) {
                (Some(told), None) => self.count.told = Some(told),
                (Some(told), Some(before)) if told == before => {}
                (told, _) => return Err(uneven(told)),
            }
        }
        Ok(())
    }
}

/// The field of a column that has a type, or gets one here.
fn typed(field: &FieldRef, table: &Schema) -> Field {
    let field = field.as_ref().clone();
    if field.data_type() != &DataType::Null {
        return field;
    }
    let mut namesakes = table.fields().iter().filter(|column| column.name().eq_ignore_ascii_case(field.name()));
    match namesakes.next() {
        Some(column) => column.as_ref().clone().with_name(field.name()).with_nullable(true),
        None => field.with_data_type(DataType::Utf8),
    }
}

fn uneven(told: Option<i64>) -> Error {
    let told = told.map_or_else(|| "NULL".to_owned(), |told| told.to_string());
    Error::InvalidArgument(format!(
        "column {SOURCE_ROWS:?} of the source is {told} in one row and not in all; it is count(*) OVER ()"
    ))
}

fn not_of_its_schema() -> Error {
    Error::InvalidArgument("a batch of the source does not have the columns of its stream's schema".to_owned())
}

#[cfg(test)]
mod tests;
