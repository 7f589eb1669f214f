//! Defaults whose value is that of the moment: now, today, a new UUID. They are no constants and no conditions, so that
//! expressions do not know them; DuckDB evaluates them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, TimestampMicrosecondArray},
    datatypes::{DataType, Field},
};

use crate::{
    engine::{Error, Extension, Result},
    expression::{Dialect, Expression},
};

/// What is taken at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Timestamp,
    Date,
    Uuid,
}

impl Moment {
    /// The moment that a default names; case and empty parentheses do not count.
    pub(super) fn of(sql: &str, dialect: Dialect) -> Option<Self> {
        let name = sql.trim().trim_end_matches("()").trim_end().to_ascii_lowercase();
        Some(match (name.as_str(), dialect) {
            ("now" | "current_timestamp", _) => Self::Timestamp,
            ("get_current_timestamp" | "transaction_timestamp", Dialect::DuckDb) => Self::Timestamp,
            ("current_date", _) | ("today", Dialect::DuckDb) | ("curdate", Dialect::Spark) => Self::Date,
            ("uuid", _) | ("gen_random_uuid", Dialect::DuckDb) => Self::Uuid,
            _ => return None,
        })
    }

    /// It as a value of the column; a UUID is another one for each row. `now_us` counts microseconds since 1970 (UTC).
    ///
    /// # Errors
    /// `Unsupported` for a column of another type, as in [`Self::to_sql`].
    pub(super) fn value(self, column: &Field, now_us: i64) -> Result<Expression> {
        self.to_sql(Dialect::DuckDb, column)?;
        let now: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now_us]));
        let value = match self {
            Self::Timestamp | Self::Date => {
                Expression::constant(&now, &Field::new("now", now.data_type().clone(), false))?
            }
            Self::Uuid => Expression::random_uuid(),
        };
        value.cast_to(column)
    }

    /// It in a dialect, as a column's default.
    ///
    /// # Errors
    /// `Unsupported` for a column of another type: the dialects cast differently.
    pub(super) fn to_sql(self, dialect: Dialect, column: &Field) -> Result<String> {
        let fits = match self {
            Self::Timestamp => matches!(column.data_type(), DataType::Timestamp(..)),
            Self::Date => column.data_type() == &DataType::Date32,
            Self::Uuid => {
                Extension::of(column).map_or(column.data_type() == &DataType::Utf8, |of| of == Extension::Uuid)
            }
        };
        let sql = match (self, dialect) {
            (Self::Timestamp, Dialect::DuckDb) => "now()",
            (Self::Timestamp, Dialect::Spark) => "current_timestamp()",
            (Self::Date, Dialect::DuckDb) => "current_date",
            (Self::Date, Dialect::Spark) => "current_date()",
            (Self::Uuid, _) => "uuid()",
        };
        let (name, data_type) = (column.name(), column.data_type());
        if fits {
            Ok(sql.to_owned())
        } else {
            Err(Error::Unsupported(format!("{sql} is no {data_type}, as {name} is")))
        }
    }
}
