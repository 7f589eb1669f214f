//! Rules that DuckDB states, as the log keeps them.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema};

use super::{defaults::duckdb_default, moment::Moment};
use crate::{
    delta::duckdb_types::{Kind, is_stored_as_is},
    engine::{Error, Extension, Result},
    expression::{Dialect, Expression},
};

/// The table property of a CHECK constraint, before its name.
pub(crate) const CHECK_PREFIX: &str = "delta.constraints.";

/// A CHECK constraint over `columns`, which are the seam's, as its property's text. `sql` is DuckDB's.
///
/// # Errors
/// `InvalidArgument` for what is no condition over these columns; `Unsupported`, by name, for what has no faithful form
/// that other writers understand.
pub(crate) fn check_text(sql: &str, columns: &Schema) -> Result<String> {
    let refused = |reason: &str| format!("CHECK ({sql}) cannot be kept: {reason}");
    faithful_text(sql, columns).map_err(|error| match error {
        Error::InvalidArgument(reason) => Error::InvalidArgument(refused(&reason)),
        Error::Unsupported(reason) => Error::Unsupported(refused(&reason)),
        other => other,
    })
}

fn faithful_text(sql: &str, columns: &Schema) -> Result<String> {
    let check = Expression::new(sql, Dialect::DuckDb, columns)?;
    if check.result().data_type() != &DataType::Boolean {
        return Err(Error::InvalidArgument("it is no condition; compare, as in (x) <> 0".to_owned()));
    }
    let text = check.to_sql(Dialect::Spark)?;
    if text.contains('\\') {
        // Spark's text escapes them, which DataFusion takes for the text itself or for its end.
        return Err(Error::Unsupported("other writers read text with a quote or a backslash differently".to_owned()));
    }
    // Delta's CHECK wants true where SQL's is content with NULL.
    let text = if check.result().is_nullable() { format!("({text}) IS NOT FALSE") } else { text };
    Expression::new(&text, Dialect::Spark, &seen_by_others(columns, check.columns())?)?;
    Ok(text)
}

/// The columns as they are stored, if those that are `read` mean the same there.
fn seen_by_others(columns: &Schema, read: &[usize]) -> Result<Schema> {
    let seen = columns.fields().iter().enumerate().map(|(index, field)| {
        if !read.contains(&index) || is_stored_as_is(field) {
            return Ok(field.clone());
        }
        match Kind::of(field) {
            Some(
                kind @ (Kind::UTinyInt
                | Kind::USmallInt
                | Kind::UInteger
                | Kind::UBigInt
                | Kind::Extension(Extension::Json)),
            ) => Ok(Arc::new(Field::new(field.name(), kind.stored(), field.is_nullable()))),
            _ => Err(Error::Unsupported(format!(
                "other writers see the values of column '{}' in another form, so that they would not mean the same by it",
                field.name()
            ))),
        }
    });
    Ok(Schema::new(seen.collect::<Result<Vec<_>>>()?))
}

/// A column's default as its metadata's `CURRENT_DEFAULT`. `sql` is DuckDB's.
///
/// # Errors
/// `InvalidArgument` for what is no value of the column's type; `Unsupported`, by name, for what Spark has no faithful
/// form of.
pub(crate) fn default_text(sql: &str, column: &Field) -> Result<String> {
    if let Some(moment) = Moment::of(sql, Dialect::DuckDb) {
        return moment.to_sql(Dialect::Spark, column);
    }
    let text = Expression::new(sql, Dialect::DuckDb, &Schema::empty())?.cast_to(column)?.to_sql(Dialect::Spark)?;
    // What DuckDB could not be told again would refuse every INSERT.
    duckdb_default(&text, column)?;
    Ok(text)
}

/// A name for one more CHECK constraint: DuckDB's do not reach the server.
pub(crate) fn check_name(properties: &HashMap<String, String>) -> String {
    let taken = |name: &str| properties.keys().any(|key| key.eq_ignore_ascii_case(&format!("{CHECK_PREFIX}{name}")));
    let mut number = 1;
    loop {
        let name = format!("check_{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}
