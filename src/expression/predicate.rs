//! What an expression says of the columns of a table, in the language of predicates.
//!
//! Only what means the same there is told, row for row; the rest is [`Predicate::Unknown`].

use arrow::{
    array::{Array, ArrayRef, AsArray, types::*},
    datatypes::{Schema, TimeUnit},
};

use super::{
    eval,
    tree::{Comparison, Node, Typed},
    types::Type,
};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// Rows that a condition is `truth` of: true, or false; not NULL.
pub(super) fn told(condition: &Typed, columns: &Schema, truth: bool) -> Predicate {
    let told_all = |terms: &[Typed]| terms.iter().map(|term| told(term, columns, truth)).collect();
    match &condition.node {
        // False if one is, true if all are; and OR the other way round.
        Node::And(terms) if truth => Predicate::And(told_all(terms)),
        Node::And(terms) => Predicate::Or(told_all(terms)),
        Node::Or(terms) if truth => Predicate::Or(told_all(terms)),
        Node::Or(terms) => Predicate::And(told_all(terms)),
        Node::Not(input) => told(input, columns, !truth),
        Node::IsNull(input) => match column(input, columns) {
            Some(column) => Predicate::IsNull { column, negated: !truth },
            None => Predicate::Unknown,
        },
        Node::Compare(comparison, left, right) => {
            let comparison = if truth { *comparison } else { negated(*comparison) };
            compared(comparison, left, right, columns)
                .or_else(|| compared(turned(comparison), right, left, columns))
                .unwrap_or(Predicate::Unknown)
        }
        Node::In(value, list) => listed(value, list, columns, !truth).unwrap_or(Predicate::Unknown),
        Node::Column { .. } => match column(condition, columns) {
            Some(column) => Predicate::Compare { column, op: CompareOp::Equal, value: Scalar::Boolean(truth) },
            None => Predicate::Unknown,
        },
        _ => match constant(condition) {
            Some(Some(Scalar::Boolean(value))) if value == truth => Predicate::Unknown,
            Some(None | Some(Scalar::Boolean(_))) => Predicate::NEVER,
            _ => Predicate::Unknown,
        },
    }
}

/// `left comparison right` for a column and a constant.
fn compared(comparison: Comparison, left: &Typed, right: &Typed, columns: &Schema) -> Option<Predicate> {
    let (column, value) = (compared_column(left, columns)?, constant(right)?);
    let is_null = |negated| Predicate::IsNull { column: column.clone(), negated };
    let compare = |op, value| Predicate::Compare { column: column.clone(), op, value };
    Some(match (comparison, value) {
        (Comparison::Distinct, None) => is_null(true),
        (Comparison::NotDistinct, None) => is_null(false),
        (_, None) => Predicate::NEVER,
        (Comparison::Distinct, Some(value)) => Predicate::Or(vec![compare(CompareOp::NotEqual, value), is_null(false)]),
        (Comparison::Equal | Comparison::NotDistinct, Some(value)) => compare(CompareOp::Equal, value),
        (Comparison::NotEqual, Some(value)) => compare(CompareOp::NotEqual, value),
        (Comparison::Less, Some(value)) => compare(CompareOp::Less, value),
        (Comparison::LessOrEqual, Some(value)) => compare(CompareOp::LessOrEqual, value),
        (Comparison::Greater, Some(value)) => compare(CompareOp::Greater, value),
        (Comparison::GreaterOrEqual, Some(value)) => compare(CompareOp::GreaterOrEqual, value),
    })
}

/// `value [NOT] IN (list)` for a column and constants. NULL equals nothing, and nothing is known to be other than it.
fn listed(value: &Typed, list: &[Typed], columns: &Schema, negated: bool) -> Option<Predicate> {
    let column = compared_column(value, columns)?;
    let constants = list.iter().map(constant).collect::<Option<Vec<_>>>()?;
    let has_null = constants.contains(&None);
    let values: Vec<Scalar> = constants.into_iter().flatten().collect();
    Some(if negated && has_null || values.is_empty() {
        Predicate::NEVER
    } else {
        Predicate::In { column, values, negated }
    })
}

/// What is true where a comparison is false.
const fn negated(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Equal => Comparison::NotEqual,
        Comparison::NotEqual => Comparison::Equal,
        Comparison::Less => Comparison::GreaterOrEqual,
        Comparison::LessOrEqual => Comparison::Greater,
        Comparison::Greater => Comparison::LessOrEqual,
        Comparison::GreaterOrEqual => Comparison::Less,
        Comparison::Distinct => Comparison::NotDistinct,
        Comparison::NotDistinct => Comparison::Distinct,
    }
}

/// The comparison with its sides changed.
const fn turned(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same => same,
    }
}

/// The column whose values these are, perhaps in a type that holds all of its own: its constants are constants of the
/// column, or lie beyond what it can hold.
fn column(typed: &Typed, columns: &Schema) -> Option<ColumnPath> {
    match &typed.node {
        Node::Column { index, .. } => columns.fields().get(*index).map(|field| vec![field.name().clone()]),
        Node::Cast { input, lenient: false, .. } if !typed.fails && keeps_value(&input.ty, &typed.ty) => {
            column(input, columns)
        }
        _ => None,
    }
}

/// As [`column`], of a type that predicates compare.
fn compared_column(typed: &Typed, columns: &Schema) -> Option<ColumnPath> {
    let mut input = typed;
    while let Node::Cast { input: inner, .. } = &input.node {
        input = inner;
    }
    if matches!(input.ty, Type::HugeInt | Type::UHugeInt) { None } else { column(typed, columns) }
}

fn keeps_value(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::Decimal(..), Type::Decimal(..)) | (Type::Float, Type::Double) => true,
        _ => super::rules::wider(from, to),
    }
}

/// The value of what reads no column; `Some(None)` for NULL, `None` if it cannot be told of in a predicate.
fn constant(typed: &Typed) -> Option<Option<Scalar>> {
    let mut read = Vec::new();
    typed.columns(&mut read);
    if !read.is_empty() {
        return None;
    }
    let value = eval::evaluate(typed, &eval::Rows::all(&[], 1)).ok()?.array;
    if value.is_null(0) {
        return Some(None);
    }
    scalar(&value, &typed.ty).map(Some)
}

/// The first value, in memory form.
fn scalar(value: &ArrayRef, ty: &Type) -> Option<Scalar> {
    let long = |micros_each: i64, value: i64| match value {
        i64::MAX => Some(value),
        value if value == -i64::MAX => Some(value),
        value => value.checked_mul(micros_each),
    };
    Some(match ty {
        Type::Boolean => Scalar::Boolean(value.as_boolean().value(0)),
        _ if ty.is_integer() => Scalar::Integer(eval::integer(value, ty)?),
        // The scale of a type is at most 38.
        Type::Decimal(_, scale) => {
            Scalar::Decimal { unscaled: value.as_primitive::<Decimal128Type>().value(0), scale: *scale }
        }
        Type::Float => Scalar::Float(value.as_primitive::<Float32Type>().value(0).into()),
        Type::Double => Scalar::Float(value.as_primitive::<Float64Type>().value(0)),
        Type::Varchar => Scalar::Text(value.as_string::<i32>().value(0).to_owned()),
        Type::Blob => Scalar::Binary(value.as_binary::<i32>().value(0).to_owned()),
        Type::Date => Scalar::Date(value.as_primitive::<Date32Type>().value(0)),
        Type::Time => Scalar::Integer(value.as_primitive::<Time64MicrosecondType>().value(0).into()),
        Type::TimeNs => Scalar::Integer(value.as_primitive::<Time64NanosecondType>().value(0).into()),
        Type::TimestampTz | Type::Timestamp(TimeUnit::Microsecond) => {
            Scalar::Timestamp(value.as_primitive::<TimestampMicrosecondType>().value(0))
        }
        Type::Timestamp(TimeUnit::Second) => {
            Scalar::Timestamp(long(1_000_000, value.as_primitive::<TimestampSecondType>().value(0))?)
        }
        Type::Timestamp(TimeUnit::Millisecond) => {
            Scalar::Timestamp(long(1000, value.as_primitive::<TimestampMillisecondType>().value(0))?)
        }
        Type::Timestamp(TimeUnit::Nanosecond) => {
            Scalar::Integer(value.as_primitive::<TimestampNanosecondType>().value(0).into())
        }
        _ => return None,
    })
}
