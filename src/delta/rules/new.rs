//! Rules that DuckDB states, as the log keeps them.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema};

use super::moment::Moment;
use crate::{
    engine::{Error, Result},
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
    let with_text = |error| match error {
        Error::InvalidArgument(reason) => Error::InvalidArgument(refused(&reason)),
        Error::Unsupported(reason) => Error::Unsupported(refused(&reason)),
        other => other,
    };
    let check = Expression::new(sql, Dialect::DuckDb, columns).map_err(with_text)?;
    if check.result().data_type() != &DataType::Boolean {
        let reason = "it is no condition; compare, as in (x) <> 0";
        return Err(Error::InvalidArgument(refused(reason)));
    }
    let text = check.to_sql(Dialect::Spark).map_err(with_text)?;
    // Delta's CHECK wants true where SQL's is content with NULL.
    let text = if check.result().is_nullable() { format!("({text}) IS NOT FALSE") } else { text };
    Expression::new(&text, Dialect::Spark, columns).map_err(with_text)?;
    Ok(text)
}

/// A column's default as its metadata's `CURRENT_DEFAULT`. `sql` is DuckDB's.
///
/// # Errors
/// `InvalidArgument` for what is no value of the column's type; `Unsupported`, by name, for what Spark has no faithful
/// form of.
#[allow(dead_code, reason = "the way in of ALTER TABLE ... SET DEFAULT")]
pub(crate) fn default_text(sql: &str, column: &Field) -> Result<String> {
    if let Some(moment) = Moment::of(sql, Dialect::DuckDb) {
        return moment.to_sql(Dialect::Spark, column);
    }
    Expression::new(sql, Dialect::DuckDb, &Schema::empty())?.cast_to(column)?.to_sql(Dialect::Spark)
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
