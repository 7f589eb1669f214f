//! Names and literals as each dialect writes them.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Date32Type, Decimal128Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType},
};

use super::{Printer, no_form, spark_type};
use crate::{
    engine::Result,
    expression::{
        Dialect,
        cast::{calendar, write},
        types::Type,
    },
};

impl Printer {
    /// A name, quoted unless it is plain and no keyword.
    pub(super) fn name(self, name: &str) -> String {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match self.dialect {
            _ if plain && !is_keyword(name) => name.to_owned(),
            Dialect::DuckDb => format!("\"{}\"", name.replace('"', "\"\"")),
            Dialect::Spark => format!("`{}`", name.replace('`', "``")),
        }
    }

    pub(super) fn literal(self, value: &ArrayRef, ty: &Type) -> Result<String> {
        if value.is_null(0) {
            return match (ty, self.dialect) {
                (Type::Null, _) => Ok("NULL".to_owned()),
                (ty, Dialect::DuckDb) => Ok(format!("CAST(NULL AS {ty})")),
                (ty, Dialect::Spark) => Ok(format!("CAST(NULL AS {})", spark_type(ty)?)),
            };
        }
        let mut plain = String::new();
        write::writer(value, ty)(0, &mut plain);
        let text = match ty {
            Type::Boolean => plain.to_ascii_uppercase(),
            Type::Varchar => self.quoted(&plain),
            Type::Float if value.as_primitive::<Float32Type>().value(0).is_finite() => {
                format!("CAST({:e} AS FLOAT)", value.as_primitive::<Float32Type>().value(0))
            }
            Type::Double if value.as_primitive::<Float64Type>().value(0).is_finite() => {
                format!("{:e}", value.as_primitive::<Float64Type>().value(0))
            }
            Type::Float | Type::Double => format!("CAST('{plain}' AS {ty})"),
            // No literal is a decimal without digits behind the point.
            Type::Decimal(_, 0) => format!("CAST({} AS {ty})", value.as_primitive::<Decimal128Type>().value(0)),
            Type::Decimal(..) => match plain.strip_prefix("-.") {
                Some(digits) => format!("-0.{digits}"),
                None if plain.starts_with('.') => format!("0{plain}"),
                None => plain,
            },
            _ if ty.is_integer() => plain,
            _ => return self.typed_literal(value, ty, &plain),
        };
        Ok(text)
    }

    fn typed_literal(self, value: &ArrayRef, ty: &Type, plain: &str) -> Result<String> {
        if self.dialect == Dialect::DuckDb {
            return Ok(match ty {
                Type::Date => format!("DATE '{plain}'"),
                Type::Timestamp(TimeUnit::Microsecond) => format!("TIMESTAMP '{plain}'"),
                _ => format!("CAST({} AS {ty})", self.quoted(plain)),
            });
        }
        match ty {
            Type::Date if is_common_era(value.as_primitive::<Date32Type>().value(0).into()) => {
                Ok(format!("DATE '{plain}'"))
            }
            Type::Timestamp(TimeUnit::Microsecond) | Type::TimestampTz if is_common_moment(value) => Ok(match ty {
                Type::TimestampTz => format!("TIMESTAMP '{plain}:00'"),
                _ => format!("TIMESTAMP_NTZ '{plain}'"),
            }),
            Type::Blob => {
                let bytes = value.as_binary::<i32>().value(0);
                Ok(format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>()))
            }
            _ => Err(no_form(&format!("the {ty} value {plain}"), self.dialect)),
        }
    }

    /// Text as a literal. In Spark a backslash escapes, and two quotes join two literals.
    pub(super) fn quoted(self, text: &str) -> String {
        match self.dialect {
            Dialect::DuckDb => format!("'{}'", text.replace('\'', "''")),
            Dialect::Spark => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

/// The years 1 to 9999, which both write alike.
fn is_common_era(days: i64) -> bool {
    (1..=9999).contains(&calendar::civil(days).year)
}

fn is_common_moment(value: &ArrayRef) -> bool {
    is_common_era(calendar::split(value.as_primitive::<TimestampMicrosecondType>().value(0)).0)
}

/// Words that a grammar of DuckDB, Spark or DataFusion may take for something else than a name.
fn is_keyword(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "all",
        "analyse",
        "analyze",
        "and",
        "anti",
        "any",
        "array",
        "as",
        "asc",
        "asof",
        "at",
        "authorization",
        "between",
        "binary",
        "both",
        "by",
        "case",
        "cast",
        "check",
        "collate",
        "collation",
        "column",
        "columns",
        "concurrently",
        "constraint",
        "create",
        "cross",
        "current",
        "current_catalog",
        "current_date",
        "current_role",
        "current_schema",
        "current_time",
        "current_timestamp",
        "current_user",
        "date",
        "day",
        "default",
        "deferrable",
        "delete",
        "desc",
        "describe",
        "distinct",
        "div",
        "do",
        "drop",
        "else",
        "end",
        "escape",
        "except",
        "exists",
        "extract",
        "false",
        "fetch",
        "filter",
        "for",
        "foreign",
        "freeze",
        "from",
        "full",
        "generated",
        "glob",
        "grant",
        "group",
        "having",
        "hour",
        "if",
        "ilike",
        "in",
        "index",
        "initially",
        "inner",
        "insert",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "key",
        "lambda",
        "lateral",
        "leading",
        "left",
        "like",
        "limit",
        "localtime",
        "localtimestamp",
        "map",
        "merge",
        "minus",
        "minute",
        "month",
        "name",
        "names",
        "natural",
        "not",
        "notnull",
        "null",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "over",
        "overlaps",
        "partition",
        "pivot",
        "pivot_longer",
        "pivot_wider",
        "placing",
        "position",
        "primary",
        "qualify",
        "references",
        "regexp",
        "returning",
        "right",
        "rlike",
        "row",
        "rows",
        "second",
        "select",
        "semi",
        "session_user",
        "set",
        "show",
        "similar",
        "some",
        "struct",
        "substring",
        "summarize",
        "symmetric",
        "table",
        "tablesample",
        "then",
        "time",
        "timestamp",
        "to",
        "trailing",
        "trim",
        "true",
        "try_cast",
        "type",
        "union",
        "unique",
        "unknown",
        "unpivot",
        "update",
        "user",
        "using",
        "value",
        "values",
        "variadic",
        "verbose",
        "when",
        "where",
        "window",
        "with",
        "within",
        "x",
        "year",
    ];
    WORDS.binary_search(&name).is_ok()
}
