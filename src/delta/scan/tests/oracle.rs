//! What a predicate says of a row, told slowly and in SQL's three values.

use std::cmp::Ordering;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
};

use crate::engine::{ColumnPath, Predicate, Scalar};

/// The indexes of the rows that satisfy the predicate.
pub(super) fn satisfying(predicate: &Predicate, batch: &RecordBatch) -> Vec<u64> {
    (0..batch.num_rows()).filter(|row| says(predicate, batch, *row) == Some(true)).map(|row| row as u64).collect()
}

fn says(predicate: &Predicate, batch: &RecordBatch, row: usize) -> Option<bool> {
    match predicate {
        Predicate::Unknown => Some(true),
        // Of false, NULL and true, AND is the least and OR the greatest.
        Predicate::And(parts) => ranked(parts.iter().map(|part| rank(says(part, batch, row))).min().unwrap_or(2)),
        Predicate::Or(parts) => ranked(parts.iter().map(|part| rank(says(part, batch, row))).max().unwrap_or(0)),
        Predicate::IsNull { column, negated } => Some(field(batch, column, row).is_none() != *negated),
        Predicate::Compare { column, op, value: right } => Some(op.holds(order(&value(batch, column, row)?, right))),
        Predicate::In { column, values, negated } => {
            let left = value(batch, column, row)?;
            Some(values.iter().any(|right| order(&left, right).is_eq()) != *negated)
        }
        Predicate::StartsWith { column, prefix, negated } => match value(batch, column, row)? {
            Scalar::Text(text) => Some(text.starts_with(prefix) != *negated),
            other => panic!("{other:?} has no prefix"),
        },
    }
}

fn rank(said: Option<bool>) -> u8 {
    said.map_or(1, |said| if said { 2 } else { 0 })
}

fn ranked(rank: u8) -> Option<bool> {
    (rank != 1).then_some(rank == 2)
}

/// DuckDB's order.
pub(super) fn order(left: &Scalar, right: &Scalar) -> Ordering {
    match (left, right) {
        (Scalar::Boolean(a), Scalar::Boolean(b)) => a.cmp(b),
        (Scalar::Integer(a), Scalar::Integer(b)) => a.cmp(b),
        (Scalar::Decimal { unscaled: a, scale: s }, Scalar::Decimal { unscaled: b, scale: t }) => {
            let at = |unscaled: i128, scale: u8| unscaled * 10_i128.pow(u32::from(*s.max(t) - scale));
            at(*a, *s).cmp(&at(*b, *t))
        }
        (Scalar::Float(a), Scalar::Float(b)) => match (a.is_nan(), b.is_nan()) {
            (false, false) => a.partial_cmp(b).unwrap(),
            (a, b) => a.cmp(&b),
        },
        (Scalar::Text(a), Scalar::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Scalar::Binary(a), Scalar::Binary(b)) => a.cmp(b),
        (Scalar::Date(a), Scalar::Date(b)) => a.cmp(b),
        (Scalar::Timestamp(a), Scalar::Timestamp(b)) => a.cmp(b),
        other => panic!("{other:?} do not compare"),
    }
}

/// A column or nested field; `None` where a struct around it is NULL.
fn field<'b>(batch: &'b RecordBatch, path: &ColumnPath, row: usize) -> Option<&'b ArrayRef> {
    let mut array: &ArrayRef = batch.column_by_name(&path[0]).expect("a column");
    for name in &path[1..] {
        if array.is_null(row) {
            return None;
        }
        array = array.as_struct().column_by_name(name).expect("a field");
    }
    array.is_valid(row).then_some(array)
}

/// A value of a row; `None` for NULL.
pub(super) fn value(batch: &RecordBatch, path: &ColumnPath, row: usize) -> Option<Scalar> {
    let array = field(batch, path, row)?;
    Some(match array.data_type() {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => Scalar::Integer(array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => Scalar::Integer(array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => Scalar::Integer(array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Scalar::Integer(array.as_primitive::<Int64Type>().value(row).into()),
        DataType::Float32 => Scalar::Float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Scalar::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => {
            Scalar::Decimal { unscaled: array.as_primitive::<Decimal128Type>().value(row), scale: *scale as u8 }
        }
        DataType::Utf8 => Scalar::Text(array.as_string::<i32>().value(row).to_owned()),
        DataType::Binary => Scalar::Binary(array.as_binary::<i32>().value(row).to_vec()),
        DataType::Date32 => Scalar::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(..) => Scalar::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        other => panic!("{other} has no constants"),
    })
}
