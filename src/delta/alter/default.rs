//! A column's default, as the log keeps it: Spark's SQL under `CURRENT_DEFAULT`.

use arrow::{
    array::{Array, RecordBatch, RecordBatchOptions},
    datatypes::{Field, Schema},
};

use crate::{
    engine::{Error, Result},
    expression::{Dialect, Expression},
};

/// DuckDB's words for what changes from row to row or moment to moment, and Spark's for the same. What `delta::rules`
/// tells DuckDB of these is the same again.
const OF_THE_MOMENT: [(&str, &str); 8] = [
    ("now", "current_timestamp()"),
    ("current_timestamp", "current_timestamp()"),
    ("get_current_timestamp", "current_timestamp()"),
    ("transaction_timestamp", "current_timestamp()"),
    ("current_date", "current_date()"),
    ("today", "current_date()"),
    ("uuid", "uuid()"),
    ("gen_random_uuid", "uuid()"),
];

/// The log's text of a default that DuckDB states for a column; `None` if it is NULL, which is no default.
///
/// # Errors
/// `InvalidArgument` if it is no value of the column's type; `Unsupported`, by name, for what cannot be kept.
pub(super) fn default_text(sql: &str, column: &Field) -> Result<Option<String>> {
    let name = sql.trim().trim_end_matches("()").to_ascii_lowercase();
    if let Some((_, spark)) = OF_THE_MOMENT.iter().find(|(duckdb, _)| *duckdb == name) {
        return Ok(Some((*spark).to_owned()));
    }
    let refused = |reason: &str| format!("default {sql} of column '{}' cannot be kept: {reason}", column.name());
    let with_text = |error| match error {
        Error::InvalidArgument(reason) => Error::InvalidArgument(refused(&reason)),
        Error::Unsupported(reason) => Error::Unsupported(refused(&reason)),
        other => other,
    };
    let none = Schema::empty();
    let stated = Expression::new(sql, Dialect::DuckDb, &none).map_err(with_text)?;
    // The value must be one of the column's; the cast itself is left to whoever writes a row, as in DuckDB.
    let value = stated.clone().cast_to(column).and_then(|cast| cast.evaluate(&one_row()?)).map_err(with_text)?;
    if value.is_null(0) {
        return Ok(None);
    }
    stated.to_sql(Dialect::Spark).map(Some).map_err(with_text)
}

/// A row of no columns.
fn one_row() -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &options)
        .map_err(|error| Error::internal("cannot make a row", error))
}
