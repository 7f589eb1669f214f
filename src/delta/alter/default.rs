//! A column's default, as DuckDB states it and as the log keeps it.

use arrow::{
    array::{Array, RecordBatch, RecordBatchOptions},
    datatypes::{Field, Schema},
};

use crate::{
    delta::rules,
    engine::{Error, Result},
    expression::{Dialect, Expression},
};

/// The log's text of a default that DuckDB states for a column; `None` if it is NULL, which is no default.
///
/// # Errors
/// `InvalidArgument` if it is no value of the column's type; `Unsupported`, by name, for what cannot be kept.
pub(super) fn default_text(sql: &str, column: &Field) -> Result<Option<String>> {
    let refused = |reason: &str| format!("default {sql} of column '{}' cannot be kept: {reason}", column.name());
    let text = match is_null(sql, column) {
        Ok(true) => return Ok(None),
        Ok(false) => rules::default_text(sql, column),
        Err(error) => Err(error),
    };
    text.map(Some).map_err(|error| match error {
        Error::InvalidArgument(reason) => Error::InvalidArgument(refused(&reason)),
        Error::Unsupported(reason) => Error::Unsupported(refused(&reason)),
        other => other,
    })
}

/// Whether a default is a constant whose value is NULL.
///
/// # Errors
/// `InvalidArgument` if it is a constant that cannot be a value of the column.
fn is_null(sql: &str, column: &Field) -> Result<bool> {
    // What is no constant may be a moment, which `rules` knows.
    let Ok(constant) = Expression::new(sql, Dialect::DuckDb, &Schema::empty()) else { return Ok(false) };
    Ok(constant.cast_to(column)?.evaluate(&one_row()?)?.is_null(0))
}

/// A row of no columns.
fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &options)
        .map_err(|error| Error::internal("cannot make a row", error))
}
