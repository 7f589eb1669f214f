//! Stored arrays without children as the seam has them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, FixedSizeBinaryArray, PrimitiveArray},
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
    values::{DAY_MICROS, DAY_NANOS, MICROS_PER_MILLI, MICROS_PER_SECOND, bignum, bit, interval, of_micros, time_tz},
};
use crate::engine::Extension;

/// Characters of a value that are shown when it is refused.
const SHOWN_CHARS_MAX: usize = 64;

/// Stored values as those of a kind. `valid` says which rows count.
pub(super) fn load_leaf(kind: Kind, array: &ArrayRef, valid: Valid<'_>) -> Result<ArrayRef, Cause> {
    let time = |day: i64| move |value: i64| (0..=day).contains(&value).then_some(value);
    match kind {
        Kind::UTinyInt => numbers::<Int16Type, UInt8Type>(kind, array, valid, |value| u8::try_from(value).ok()),
        Kind::USmallInt => numbers::<Int32Type, UInt16Type>(kind, array, valid, |value| u16::try_from(value).ok()),
        Kind::UInteger => numbers::<Int64Type, UInt32Type>(kind, array, valid, |value| u32::try_from(value).ok()),
        Kind::UBigInt => numbers::<Decimal128Type, UInt64Type>(kind, array, valid, |value| u64::try_from(value).ok()),
        Kind::Time => numbers::<Int64Type, Time64MicrosecondType>(kind, array, valid, time(DAY_MICROS)),
        Kind::TimeNs => numbers::<Int64Type, Time64NanosecondType>(kind, array, valid, time(DAY_NANOS)),
        Kind::TimestampNs => {
            Ok(Arc::new(array.as_primitive::<Int64Type>().reinterpret_cast::<TimestampNanosecondType>()))
        }
        Kind::TimestampS => numbers::<TimestampMicrosecondType, TimestampSecondType>(kind, array, valid, |micros| {
            of_micros(micros, MICROS_PER_SECOND)
        }),
        Kind::TimestampMs => {
            numbers::<TimestampMicrosecondType, TimestampMillisecondType>(kind, array, valid, |micros| {
                of_micros(micros, MICROS_PER_MILLI)
            })
        }
        Kind::Interval => intervals(array, valid),
        Kind::Extension(extension) => extension_leaf(extension, array, valid),
        _ => Ok(Arc::clone(array)),
    }
}

fn extension_leaf(extension: Extension, array: &ArrayRef, valid: Valid<'_>) -> Result<ArrayRef, Cause> {
    let kind = Kind::Extension(extension);
    match extension {
        Extension::Json => Ok(Arc::clone(array)),
        Extension::Uuid => fixed(kind, array, valid, |text| Some(*Uuid::try_parse(text).ok()?.as_bytes())),
        Extension::HugeInt => fixed(kind, array, valid, |text| Some(text.parse::<i128>().ok()?.to_le_bytes())),
        Extension::UHugeInt => fixed(kind, array, valid, |text| Some(text.parse::<u128>().ok()?.to_le_bytes())),
        Extension::TimeTz => fixed(kind, array, valid, |text| Some(time_tz::parse(text)?.to_le_bytes())),
        Extension::Bit => variable(kind, array, valid, bit::parse),
        Extension::BigNum => variable(kind, array, valid, bignum::parse),
    }
}

fn counts(valid: Valid<'_>, row: usize) -> bool {
    valid.is_none_or(|valid| valid.is_valid(row))
}

fn numbers<From: ArrowPrimitiveType, To: ArrowPrimitiveType>(
    kind: Kind,
    array: &ArrayRef,
    valid: Valid<'_>,
    convert: impl Fn(From::Native) -> Option<To::Native>,
) -> Result<ArrayRef, Cause> {
    let values = array.as_primitive::<From>().values();
    let convert = |(row, value): (usize, &From::Native)| match convert(*value) {
        Some(value) => Ok(value),
        None if counts(valid, row) => Err(Cause::Value(format!("{value:?}, which is no value of type {kind}"))),
        None => Ok(To::Native::default()),
    };
    let values: Vec<_> = values.iter().enumerate().map(convert).collect::<Result<_, _>>()?;
    Ok(Arc::new(PrimitiveArray::<To>::try_new(ScalarBuffer::from(values), array.nulls().cloned())?))
}

/// The text of a row; `None` where it does not count.
fn text<'a>(array: &'a ArrayRef, valid: Valid<'_>, row: usize) -> Option<&'a str> {
    (array.is_valid(row) && counts(valid, row)).then(|| array.as_string::<i32>().value(row))
}

fn refused(kind: Kind, text: &str) -> Cause {
    let shown = match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    };
    Cause::Value(format!("{shown:?}, which is no value of type {kind}"))
}

fn intervals(array: &ArrayRef, valid: Valid<'_>) -> Result<ArrayRef, Cause> {
    let value = |row| match text(array, valid, row) {
        Some(text) => interval::parse(text).ok_or_else(|| refused(Kind::Interval, text)),
        None => Ok(Default::default()),
    };
    let values: Vec<_> = (0..array.len()).map(value).collect::<Result<_, _>>()?;
    let array = PrimitiveArray::<IntervalMonthDayNanoType>::try_new(ScalarBuffer::from(values), array.nulls().cloned());
    Ok(Arc::new(array?))
}

fn fixed<const N: usize>(
    kind: Kind,
    array: &ArrayRef,
    valid: Valid<'_>,
    parse: impl Fn(&str) -> Option<[u8; N]>,
) -> Result<ArrayRef, Cause> {
    let mut values = Vec::with_capacity(array.len() * N);
    for row in 0..array.len() {
        let value = match text(array, valid, row) {
            Some(text) => parse(text).ok_or_else(|| refused(kind, text))?,
            None => [0; N],
        };
        values.extend_from_slice(&value);
    }
    let size = i32::try_from(N).map_err(|_| Cause::TooLong)?;
    let array =
        FixedSizeBinaryArray::try_new_with_len(size, Buffer::from_vec(values), array.nulls().cloned(), array.len());
    Ok(Arc::new(array?))
}

fn variable(
    kind: Kind,
    array: &ArrayRef,
    valid: Valid<'_>,
    parse: impl Fn(&str, &mut Vec<u8>) -> Option<()>,
) -> Result<ArrayRef, Cause> {
    let mut values = Vec::new();
    let mut offsets = Vec::with_capacity(array.len() + 1);
    offsets.push(0);
    for row in 0..array.len() {
        if let Some(text) = text(array, valid, row) {
            parse(text, &mut values).ok_or_else(|| refused(kind, text))?;
        }
        offsets.push(i32::try_from(values.len()).map_err(|_| Cause::TooLong)?);
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    Ok(Arc::new(BinaryArray::try_new(offsets, Buffer::from_vec(values), array.nulls().cloned())?))
}
