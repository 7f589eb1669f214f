//! Conditions on columns as the seam has them, told of what is stored.
//!
//! Files, row groups and pages know only what is stored, and rows are filtered before their values are made DuckDB's.
//! What cannot be told of the stored values becomes [`Predicate::Unknown`], which keeps every row.

use arrow::datatypes::{DataType, Field, Fields, Schema};

use super::kind::Kind;
use crate::engine::{ColumnPath, Predicate, Scalar};

/// The predicate, which speaks of the columns of `shown`, for the values that are stored.
pub(crate) fn stored_predicate(predicate: &Predicate, shown: &Schema) -> Predicate {
    match predicate {
        Predicate::And(parts) => Predicate::And(parts.iter().map(|part| stored_predicate(part, shown)).collect()),
        Predicate::Or(parts) => Predicate::Or(parts.iter().map(|part| stored_predicate(part, shown)).collect()),
        // A value is NULL exactly if the stored one is.
        Predicate::Unknown | Predicate::IsNull { .. } => predicate.clone(),
        Predicate::Compare { column, op, value } => match kind(column, shown) {
            Told::AsItIs => predicate.clone(),
            Told::As(kind) => stored_scalar(kind, value).map_or(Predicate::Unknown, |value| Predicate::Compare {
                column: column.clone(),
                op: *op,
                value,
            }),
            Told::Not => Predicate::Unknown,
        },
        Predicate::In { column, values, negated } => match kind(column, shown) {
            Told::AsItIs => predicate.clone(),
            Told::As(kind) => {
                let values: Option<_> = values.iter().map(|value| stored_scalar(kind, value)).collect();
                values.map_or(Predicate::Unknown, |values| Predicate::In {
                    column: column.clone(),
                    values,
                    negated: *negated,
                })
            }
            Told::Not => Predicate::Unknown,
        },
        Predicate::StartsWith { column, .. } => match kind(column, shown) {
            Told::AsItIs => predicate.clone(),
            Told::As(_) | Told::Not => Predicate::Unknown,
        },
    }
}

/// How a column's values can be told of.
enum Told {
    /// They are stored as they are; or there is no such column, which others find out.
    AsItIs,
    /// They are of this kind, and stored as another type.
    As(Kind),
    /// Not at all: they have children, or what is stored has another order.
    Not,
}

fn kind(path: &ColumnPath, shown: &Schema) -> Told {
    let Some(field) = find(path, shown.fields()) else { return Told::AsItIs };
    match Kind::of(field) {
        Some(kind) if kind.is_plain() => Told::AsItIs,
        Some(kind) if kind.keeps_order() => Told::As(kind),
        _ => Told::Not,
    }
}

fn find<'f>(path: &[String], fields: &'f Fields) -> Option<&'f Field> {
    let (first, nested) = path.split_first()?;
    let (_, field) = fields.find(first)?;
    match field.data_type() {
        _ if nested.is_empty() => Some(field),
        DataType::Struct(fields) => find(nested, fields),
        _ => None,
    }
}

/// A constant of the kind as its column stores it; `None` if it is none of the kind.
fn stored_scalar(kind: Kind, value: &Scalar) -> Option<Scalar> {
    match (kind, value) {
        (
            Kind::UTinyInt | Kind::USmallInt | Kind::UInteger | Kind::Time | Kind::TimeNs | Kind::TimestampNs,
            Scalar::Integer(_),
        )
        | (Kind::TimestampS | Kind::TimestampMs, Scalar::Timestamp(_)) => Some(value.clone()),
        (Kind::UBigInt, Scalar::Integer(value)) => Some(Scalar::Decimal { unscaled: *value, scale: 0 }),
        _ => None,
    }
}
