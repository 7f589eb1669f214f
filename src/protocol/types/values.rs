//! Values that DuckDB sends in the form of another type, and values that may arrive broken.
//!
//! Without `arrow_lossless_conversion` HUGEINT and UHUGEINT are sent as the bits of a DECIMAL(38,0), UUID as text, BIT
//! as BLOB, JSON as VARCHAR, and TIMETZ as TIME, which loses its offset (`arrow_appender.cpp`). Nothing on the way
//! checks that a value is one of its type, and what reads it back trusts it to be.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray},
    compute::{CastOptions, cast, cast_with_options, take},
    datatypes::{
        ArrowPrimitiveType, DataType, Decimal128Type, IntervalMonthDayNanoType, Time64MicrosecondType,
        Time64NanosecondType, TimeUnit, UInt64Type,
    },
    error::ArrowError,
};
use uuid::Uuid;

use crate::engine::Extension;

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Bits of a TIMETZ below its microseconds (`dtime_tz_t` in DuckDB's `common/types/datetime.hpp`).
const OFFSET_BITS: u32 = 24;
/// They hold 57,599 less the offset in seconds, which is at most that many either way.
const OFFSET_MAX: u64 = 2 * 57_599;

/// Bytes of a BIGNUM before its digits: their number, inverted if it is negative, below a bit that says it is not
/// (`common/types/bignum.hpp`).
const BIGNUM_HEADER_BYTES: usize = 3;
const BIGNUM_POSITIVE: u32 = 0x80_0000;

/// Brings values into the storage of an extension.
///
/// # Errors
/// For a value that is none of the type.
pub(super) fn extension(array: &ArrayRef, extension: Extension) -> Result<ArrayRef, ArrowError> {
    match (extension, array.data_type()) {
        (Extension::TimeTz, DataType::FixedSizeBinary(_)) => {
            let values = array.as_fixed_size_binary().iter().flatten();
            checked(array, values, is_time_tz, "TIME WITH TIME ZONE")
        }
        (_, DataType::FixedSizeBinary(_)) => Ok(Arc::clone(array)),
        (Extension::HugeInt | Extension::UHugeInt, _) => huge_integers(array),
        (Extension::Uuid, _) => uuids(array),
        (Extension::TimeTz, _) => offsets_lost(array),
        (Extension::Bit, _) => {
            let bits = variable(array, &DataType::Binary)?;
            checked(&bits, bits.as_binary::<i32>().iter().flatten(), is_bit, "BIT")
        }
        (Extension::BigNum, _) => {
            let numbers = variable(array, &DataType::Binary)?;
            checked(&numbers, numbers.as_binary::<i32>().iter().flatten(), is_bignum, "BIGNUM")
        }
        (Extension::Json, _) => variable(array, &DataType::Utf8),
    }
}

/// TIME and TIME_NS, which lie within a day and may name its end.
///
/// CREATE TABLE AS from a TIMETZ column without `arrow_lossless_conversion` makes a TIME column and then sends the
/// packed bits of the TIMETZ values: this is where they are found out, all but those within milliseconds of midnight.
pub(super) fn times(array: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef, ArrowError> {
    let (values, day): (Box<dyn Iterator<Item = i64>>, _) = match unit {
        TimeUnit::Nanosecond => (Box::new(valid::<Time64NanosecondType>(array)), DAY_MICROS * 1_000),
        _ => (Box::new(valid::<Time64MicrosecondType>(array)), DAY_MICROS),
    };
    let name = "TIME; a TIME WITH TIME ZONE needs SET arrow_lossless_conversion = true";
    checked(array, values, |value| (0..=day).contains(&value), name)
}

/// INTERVAL, whose microseconds are sent as nanoseconds. DuckDB lets that multiplication overflow
/// (`ArrowIntervalConverter` in `scalar_data.hpp`), which shows in a number of nanoseconds that is no whole number of
/// microseconds, but for one in a hundred of such values.
pub(super) fn intervals(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let nanos = valid::<IntervalMonthDayNanoType>(array).map(|interval| interval.nanoseconds);
    checked(array, nanos, |nanos| nanos % 1_000 == 0, "INTERVAL within 292 years of microseconds")
}

/// ENUM: the text behind its keys.
pub(super) fn dictionary(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let dictionary = array.as_any_dictionary();
    let loud = CastOptions { safe: false, ..CastOptions::default() };
    let keys = cast_with_options(dictionary.keys(), &DataType::UInt64, &loud)?;
    let texts = dictionary.values().as_string::<i32>();
    let mut bytes = 0;
    for key in valid::<UInt64Type>(&keys) {
        let text = usize::try_from(key).ok().and_then(|key| texts.offsets().get(key..)?.first_chunk::<2>());
        let [start, end] = text.ok_or_else(|| failed(format!("there is no value {key} in a dictionary")))?;
        bytes += (end - start) as usize;
    }
    within_offsets(bytes)?;
    take(texts, &keys, None)
}

/// Text and binaries of any layout. The builders behind the cast of views panic beyond 2 GiB; views may overlap, so
/// few bytes can claim as much.
pub(super) fn variable(array: &ArrayRef, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let length = |length: u32| length as usize;
    match array.data_type() {
        same if same == target => return Ok(Arc::clone(array)),
        DataType::Utf8View => within_offsets(array.as_string_view().lengths().map(length).sum())?,
        DataType::BinaryView => within_offsets(array.as_binary_view().lengths().map(length).sum())?,
        _ => {}
    }
    cast(array, target)
}

fn within_offsets(bytes: usize) -> Result<(), ArrowError> {
    match i32::try_from(bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(failed(format!("{bytes} bytes in one batch are more than 2 GiB"))),
    }
}

/// The bits of a DECIMAL(38,0), which are those of a UHUGEINT too and may stand for 39 digits.
fn huge_integers(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let decimals = array.as_primitive::<Decimal128Type>();
    let bytes: Vec<u8> = decimals.values().iter().flat_map(|bits| bits.to_le_bytes()).collect();
    Ok(Arc::new(FixedSizeBinaryArray::try_new(16, bytes.into(), decimals.nulls().cloned())?))
}

fn uuids(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let texts = variable(array, &DataType::Utf8)?;
    let mut bytes = Vec::with_capacity(texts.len() * 16);
    for text in texts.as_string::<i32>() {
        let uuid = text.map_or(Ok(Uuid::nil()), Uuid::try_parse);
        let uuid = uuid.map_err(|_| failed(format!("{:?} is no UUID", text.unwrap_or_default())))?;
        bytes.extend_from_slice(uuid.as_bytes());
    }
    Ok(Arc::new(FixedSizeBinaryArray::try_new(16, bytes.into(), texts.nulls().cloned())?))
}

/// TIMETZ sent as TIME: NULL is all that comes through whole.
fn offsets_lost(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if array.null_count() < array.len() {
        let reason = "its TIME WITH TIME ZONE was sent without the zone: SET arrow_lossless_conversion = true";
        return Err(failed(reason.to_owned()));
    }
    Ok(Arc::new(FixedSizeBinaryArray::new_null(8, array.len())))
}

/// The array, if all its values hold.
fn checked<T>(
    array: &ArrayRef,
    mut values: impl Iterator<Item = T>,
    holds: impl Fn(T) -> bool,
    duckdb_type: &str,
) -> Result<ArrayRef, ArrowError> {
    match values.all(holds) {
        true => Ok(Arc::clone(array)),
        false => Err(failed(format!("what was sent is no {duckdb_type}"))),
    }
}

fn valid<T: ArrowPrimitiveType>(array: &ArrayRef) -> impl Iterator<Item = T::Native> {
    array.as_primitive::<T>().iter().flatten()
}

fn is_time_tz(bytes: &[u8]) -> bool {
    let Ok(bits) = bytes.try_into().map(u64::from_le_bytes) else { return false };
    bits >> OFFSET_BITS <= DAY_MICROS.unsigned_abs() && bits & ((1 << OFFSET_BITS) - 1) <= OFFSET_MAX
}

fn is_bit(bytes: &[u8]) -> bool {
    matches!(bytes, [0..8, _, ..])
}

fn is_bignum(bytes: &[u8]) -> bool {
    let Some((&[high, middle, low], digits)) = bytes.split_first_chunk::<BIGNUM_HEADER_BYTES>() else { return false };
    let header = u32::from_be_bytes([0, high, middle, low]);
    let (header, inverted) = match header & BIGNUM_POSITIVE {
        0 => (!header, 0xff),
        _ => (header, 0),
    };
    let length = header & (BIGNUM_POSITIVE - 1);
    let is_canonical = match digits {
        [only] => inverted == 0 || *only != inverted,
        [first, ..] => *first != inverted,
        [] => false,
    };
    length as usize == digits.len() && is_canonical
}

fn failed(reason: String) -> ArrowError {
    ArrowError::ComputeError(reason)
}
