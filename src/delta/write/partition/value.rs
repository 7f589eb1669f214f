//! A partition value as the log's string (Delta protocol, "Partition Value Serialization").

use arrow::{
    array::{Array, AsArray},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimeUnit, TimestampMicrosecondType,
    },
};
use delta_kernel::{expressions::Scalar, partition::serialization::serialize_partition_value};

use super::{DAYS_READABLE, MICROS_READABLE};
use crate::engine::{Error, Result};

/// The value of row `row`; `None` is NULL. Timestamps are ISO 8601 in UTC: the other form the protocol knows is read in
/// the session's time zone by some.
///
/// # Errors
/// `InvalidArgument` by the column's name for a value that the log cannot hold: an empty string or binary, which reads
/// back as NULL, a binary that is not UTF-8, a date or timestamp outside the years 1 to 9999.
pub(super) fn partition_value(array: &dyn Array, row: usize, column: &str) -> Result<Option<String>> {
    if array.is_null(row) {
        return Ok(None);
    }
    let scalar = scalar(array, row).ok_or_else(|| {
        Error::Unsupported(format!(
            "column \"{column}\" has type {}, by which a table cannot be partitioned",
            array.data_type()
        ))
    })?;
    if let Some(problem) = problem(&scalar) {
        return Err(Error::InvalidArgument(format!("partition column \"{column}\" cannot hold {problem}")));
    }
    serialize_partition_value(&scalar)
        .map_err(|e| Error::internal(format!("could not write a value of partition column \"{column}\""), e))
}

fn scalar(array: &dyn Array, row: usize) -> Option<Scalar> {
    Some(match array.data_type() {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => Scalar::Byte(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Scalar::Short(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Scalar::Integer(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Scalar::Long(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Scalar::Float(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Scalar::Double(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(precision, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            Scalar::decimal(value, *precision, u8::try_from(*scale).ok()?).ok()?
        }
        DataType::Utf8 => Scalar::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::Binary => Scalar::Binary(array.as_binary::<i32>().value(row).to_vec()),
        DataType::Date32 => Scalar::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let micros = array.as_primitive::<TimestampMicrosecondType>().value(row);
            if zone.is_some() { Scalar::Timestamp(micros) } else { Scalar::TimestampNtz(micros) }
        }
        _ => return None,
    })
}

fn problem(scalar: &Scalar) -> Option<&'static str> {
    match scalar {
        Scalar::String(text) if text.is_empty() => Some("an empty string: Delta keeps it as NULL"),
        Scalar::Binary(bytes) if bytes.is_empty() => Some("an empty binary: Delta keeps it as NULL"),
        Scalar::Binary(bytes) if std::str::from_utf8(bytes).is_err() => Some("a binary that is not UTF-8"),
        Scalar::Date(days) if !DAYS_READABLE.contains(&(*days).into()) => Some("a date outside the years 1 to 9999"),
        Scalar::Timestamp(micros) | Scalar::TimestampNtz(micros) if !MICROS_READABLE.contains(&(*micros).into()) => {
            Some("a timestamp outside the years 1 to 9999")
        }
        _ => None,
    }
}
