//! Arrays without children as they are stored.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringArray},
    buffer::{Buffer, OffsetBuffer, ScalarBuffer},
    datatypes::{
        Decimal128Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
        Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use uuid::Uuid;

use super::{
    convert::{Cause, Valid},
    kind::Kind,
    values::{DAY_MICROS, DAY_NANOS, MICROS_PER_MILLI, MICROS_PER_SECOND, bignum, bit, interval, micros_of, time_tz},
};
use crate::engine::Extension;

/// Values of a kind as they are stored. `valid` says which rows count.
pub(super) fn store_leaf(kind: Kind, array: &ArrayRef, valid: Valid<'_>) -> Result<ArrayRef, Cause> {
    let micros = |value: i64, each: i64| micros_of(value, each).ok_or("beyond the range of a TIMESTAMP");
    Ok(match kind {
        Kind::UTinyInt => Arc::new(array.as_primitive::<UInt8Type>().unary::<_, Int16Type>(i16::from)),
        Kind::USmallInt => Arc::new(array.as_primitive::<UInt16Type>().unary::<_, Int32Type>(i32::from)),
        Kind::UInteger => Arc::new(array.as_primitive::<UInt32Type>().unary::<_, Int64Type>(i64::from)),
        Kind::UBigInt => {
            let wide = array.as_primitive::<UInt64Type>().unary::<_, Decimal128Type>(i128::from);
            Arc::new(wide.with_precision_and_scale(20, 0)?)
        }
        Kind::Time => {
            numbers::<Time64MicrosecondType, Int64Type>(kind, array, valid, |value| in_day(value, DAY_MICROS))?
        }
        Kind::TimeNs => {
            numbers::<Time64NanosecondType, Int64Type>(kind, array, valid, |value| in_day(value, DAY_NANOS))?
        }
        Kind::TimestampNs => Arc::new(array.as_primitive::<TimestampNanosecondType>().reinterpret_cast::<Int64Type>()),
        Kind::TimestampS => numbers::<TimestampSecondType, TimestampMicrosecondType>(kind, array, valid, |value| {
            micros(value, MICROS_PER_SECOND)
        })?,
        Kind::TimestampMs => {
            numbers::<TimestampMillisecondType, TimestampMicrosecondType>(kind, array, valid, |value| {
                micros(value, MICROS_PER_MILLI)
            })?
        }
        Kind::Interval => {
            let intervals = array.as_primitive::<IntervalMonthDayNanoType>();
            texts(kind, array, valid, |row, text| {
                interval::write(intervals.value(row), text);
                Ok(())
            })?
        }
        Kind::Extension(extension) => extension_leaf(extension, array, valid)?,
        _ => Arc::clone(array),
    })
}

fn extension_leaf(extension: Extension, array: &ArrayRef, valid: Valid<'_>) -> Result<ArrayRef, Cause> {
    let kind = Kind::Extension(extension);
    let fixed = |row: usize| array.as_fixed_size_binary().value(row);
    let wide = |row: usize| <[u8; 16]>::try_from(fixed(row)).map_err(|_| "not of 16 bytes");
    let bytes = |row: usize| array.as_binary::<i32>().value(row);
    match extension {
        Extension::Json => Ok(Arc::clone(array)),
        Extension::Uuid => texts(kind, array, valid, |row, text| {
            text.push_str(Uuid::from_bytes(wide(row)?).hyphenated().encode_lower(&mut Uuid::encode_buffer()));
            Ok(())
        }),
        Extension::HugeInt => texts(kind, array, valid, |row, text| written(text, i128::from_le_bytes(wide(row)?))),
        Extension::UHugeInt => texts(kind, array, valid, |row, text| written(text, u128::from_le_bytes(wide(row)?))),
        Extension::TimeTz => texts(kind, array, valid, |row, text| {
            let bits = <[u8; 8]>::try_from(fixed(row)).map_err(|_| "not of 8 bytes")?;
            time_tz::write(u64::from_le_bytes(bits), text)
        }),
        Extension::Bit => texts(kind, array, valid, |row, text| bit::write(bytes(row), text)),
        Extension::BigNum => texts(kind, array, valid, |row, text| bignum::write(bytes(row), text)),
    }
}

/// What is wrong with a value.
type Problem = &'static str;

fn in_day(value: i64, day: i64) -> Result<i64, Problem> {
    if (0..=day).contains(&value) { Ok(value) } else { Err("not within a day") }
}

fn written(text: &mut String, number: impl std::fmt::Display) -> Result<(), Problem> {
    write!(text, "{number}").map_err(|_| "too long")
}

fn counts(valid: Valid<'_>, row: usize) -> bool {
    valid.is_none_or(|valid| valid.is_valid(row))
}

fn numbers<From: ArrowPrimitiveType, To: ArrowPrimitiveType>(
    kind: Kind,
    array: &ArrayRef,
    valid: Valid<'_>,
    convert: impl Fn(From::Native) -> Result<To::Native, Problem>,
) -> Result<ArrayRef, Cause> {
    let values = array.as_primitive::<From>().values();
    let convert = |(row, value): (usize, &From::Native)| match convert(*value) {
        Ok(value) => Ok(value),
        Err(problem) if counts(valid, row) => Err(Cause::Value(format!("the {kind} {value:?}, which is {problem}"))),
        Err(_) => Ok(To::Native::default()),
    };
    let values: Vec<_> = values.iter().enumerate().map(convert).collect::<Result<_, _>>()?;
    Ok(Arc::new(PrimitiveArray::<To>::try_new(ScalarBuffer::from(values), array.nulls().cloned())?))
}

fn texts(
    kind: Kind,
    array: &ArrayRef,
    valid: Valid<'_>,
    write: impl Fn(usize, &mut String) -> Result<(), Problem>,
) -> Result<ArrayRef, Cause> {
    let mut text = String::new();
    let mut offsets = Vec::with_capacity(array.len() + 1);
    offsets.push(0);
    for row in 0..array.len() {
        if array.is_valid(row) && counts(valid, row) {
            write(row, &mut text).map_err(|problem| Cause::Value(format!("a {kind} which is {problem}")))?;
        }
        offsets.push(i32::try_from(text.len()).map_err(|_| Cause::TooLong)?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let values = Buffer::from_vec(text.into_bytes());
    Ok(Arc::new(StringArray::try_new(offsets, values, array.nulls().cloned())?))
}
