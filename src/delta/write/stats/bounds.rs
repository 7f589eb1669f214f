//! Minimum, maximum and null count of one leaf column of a file, as JSON.

use arrow::{datatypes::DataType, temporal_conversions::timestamp_us_to_datetime};
use parquet::{
    data_type::AsBytes,
    file::{metadata::ParquetMetaData, statistics::Statistics},
};

use crate::delta::write::partition::{DAYS_READABLE, MICROS_READABLE};

/// Characters of a string bound; longer ones are cut, as other writers do.
const STRING_CHARS_MAX: usize = 32;
/// Nothing sorts after it, so a cut string that ends with it is beyond all that were cut from it.
const LAST_CHAR: char = '\u{10FFFF}';
/// The last character of ASCII, easier on the eye where the cut character is ASCII as well.
const LAST_ASCII: char = '\u{7F}';
const MICROS_PER_MILLI: i128 = 1000;
const MICROS_PER_DAY: i128 = 86_400_000_000;

/// What is known of a column, as JSON texts.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    pub(super) minimum: Option<String>,
    pub(super) maximum: Option<String>,
    pub(super) nulls: Option<u64>,
}

/// A bound in the order of its type. Two of one column are of one kind.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Value {
    /// Numbers, dates, timestamps and unscaled decimals.
    Integer(i128),
    Float(f64),
    Text(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Minimum,
    Maximum,
}

impl Bounds {
    /// `has_nan`: readers disagree on where NaN sorts, so a column that holds it has no bounds.
    pub(super) fn of(metadata: &ParquetMetaData, leaf: usize, data_type: &DataType, has_nan: bool) -> Self {
        let mut nulls = Some(0);
        let mut range: Option<(Value, Value)> = None;
        let mut known = !has_nan;
        for row_group in metadata.row_groups() {
            let statistics = row_group.column(leaf).statistics();
            let nulls_here = statistics.and_then(Statistics::null_count_opt);
            nulls = nulls.zip(nulls_here).map(|(all, here)| all + here);
            if nulls_here == u64::try_from(row_group.num_rows()).ok() {
                continue;
            }
            match statistics.and_then(values) {
                Some(here) => range = Some(range.map_or(here.clone(), |all| widen(all, here))),
                None => known = false,
            }
        }
        let (minimum, maximum) = range.filter(|_| known).unzip();
        let json = |value: Option<Value>, end| value.and_then(|value| json(value, data_type, end));
        Self { minimum: json(minimum, End::Minimum), maximum: json(maximum, End::Maximum), nulls }
    }
}

fn widen(all: (Value, Value), here: (Value, Value)) -> (Value, Value) {
    let minimum = if here.0 < all.0 { here.0 } else { all.0 };
    let maximum = if here.1 > all.1 { here.1 } else { all.1 };
    (minimum, maximum)
}

fn values(statistics: &Statistics) -> Option<(Value, Value)> {
    let pair = match statistics {
        Statistics::Int32(s) => (Value::Integer((*s.min_opt()?).into()), Value::Integer((*s.max_opt()?).into())),
        Statistics::Int64(s) => (Value::Integer((*s.min_opt()?).into()), Value::Integer((*s.max_opt()?).into())),
        Statistics::Float(s) => (Value::Float((*s.min_opt()?).into()), Value::Float((*s.max_opt()?).into())),
        Statistics::Double(s) => (Value::Float(*s.min_opt()?), Value::Float(*s.max_opt()?)),
        Statistics::ByteArray(s) => {
            (Value::Text(s.min_opt()?.data().to_vec()), Value::Text(s.max_opt()?.data().to_vec()))
        }
        // Only decimals have this physical type.
        Statistics::FixedLenByteArray(s) => {
            (Value::Integer(big_endian(s.min_opt()?.as_bytes())?), Value::Integer(big_endian(s.max_opt()?.as_bytes())?))
        }
        Statistics::Boolean(_) | Statistics::Int96(_) => return None,
    };
    Some(pair)
}

fn big_endian(bytes: &[u8]) -> Option<i128> {
    let sign = if *bytes.first()? & 0x80 == 0 { 0 } else { 0xFF };
    let mut wide = [sign; 16];
    wide[16usize.checked_sub(bytes.len())?..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// `None` if the type has no bounds in the log, or the value cannot be said so that every reader understands it.
fn json(value: Value, data_type: &DataType, end: End) -> Option<String> {
    match (data_type, value) {
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, Value::Integer(value)) => {
            Some(value.to_string())
        }
        // A float is written as the double it equals: read as either, it is the same number.
        (DataType::Float32 | DataType::Float64, Value::Float(value)) if value.is_finite() => {
            serde_json::to_string(&value).ok()
        }
        (DataType::Decimal128(_, scale), Value::Integer(value)) => Some(decimal(value, u32::try_from(*scale).ok()?)),
        (DataType::Date32, Value::Integer(days)) if DAYS_READABLE.contains(&days) => {
            let date = datetime(days * MICROS_PER_DAY, "%Y-%m-%d")?;
            Some(format!("\"{date}\""))
        }
        (DataType::Timestamp(_, zone), Value::Integer(micros)) => timestamp(micros, zone.is_some(), end),
        (DataType::Utf8, Value::Text(bytes)) => {
            let text = shorten(std::str::from_utf8(&bytes).ok()?, end)?;
            serde_json::to_string(&text).ok()
        }
        _ => None,
    }
}

fn decimal(unscaled: i128, scale: u32) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs();
    let one = 10u128.pow(scale);
    match scale {
        0 => format!("{sign}{digits}"),
        _ => format!("{sign}{}.{:0width$}", digits / one, digits % one, width = scale as usize),
    }
}

/// The log keeps milliseconds: a minimum is rounded down, a maximum up.
fn timestamp(micros: i128, utc: bool, end: End) -> Option<String> {
    let millis = match end {
        End::Minimum => micros.div_euclid(MICROS_PER_MILLI),
        End::Maximum => (micros + MICROS_PER_MILLI - 1).div_euclid(MICROS_PER_MILLI),
    };
    let micros = millis * MICROS_PER_MILLI;
    if !MICROS_READABLE.contains(&micros) {
        return None;
    }
    let text = datetime(micros, "%Y-%m-%dT%H:%M:%S%.3f")?;
    Some(format!("\"{text}{}\"", if utc { "Z" } else { "" }))
}

fn datetime(micros: i128, format: &str) -> Option<String> {
    let datetime = timestamp_us_to_datetime(i64::try_from(micros).ok()?)?;
    Some(datetime.format(format).to_string())
}

/// `None` if a maximum cannot be cut: what follows is the last character there is.
fn shorten(text: &str, end: End) -> Option<String> {
    let Some((cut, next)) = text.char_indices().nth(STRING_CHARS_MAX) else { return Some(text.to_owned()) };
    let mut short = text[..cut].to_owned();
    if end == End::Maximum {
        let beyond = if next < LAST_ASCII { LAST_ASCII } else { LAST_CHAR };
        if next >= beyond {
            return None;
        }
        short.push(beyond);
    }
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_maximum_is_beyond_all_it_was_cut_from() {
        for tail in ["a", "~~~", "\u{7E}", "\u{7F}", "é", "\u{10FFFE}\u{10FFFF}", "😀😀"] {
            let text = format!("{}{tail}{tail}", "x".repeat(STRING_CHARS_MAX));
            let maximum = shorten(&text, End::Maximum).unwrap();
            assert!(maximum > text, "{maximum:?} is not beyond {text:?}");
            assert!(shorten(&text, End::Minimum).unwrap() <= text);
        }
        let last = format!("{}\u{10FFFF}a", "x".repeat(STRING_CHARS_MAX));
        assert_eq!(shorten(&last, End::Maximum), None);
        assert_eq!(shorten("short", End::Maximum), Some("short".to_owned()));
    }

    #[test]
    fn timestamps_are_rounded_outward() {
        assert_eq!(timestamp(1, true, End::Minimum).unwrap(), "\"1970-01-01T00:00:00.000Z\"");
        assert_eq!(timestamp(1, true, End::Maximum).unwrap(), "\"1970-01-01T00:00:00.001Z\"");
        assert_eq!(timestamp(-1, false, End::Minimum).unwrap(), "\"1969-12-31T23:59:59.999\"");
        assert_eq!(timestamp(-1, false, End::Maximum).unwrap(), "\"1970-01-01T00:00:00.000\"");
        assert_eq!(timestamp(i64::MAX.into(), true, End::Maximum), None);
        assert_eq!(timestamp((-i64::MAX).into(), true, End::Minimum), None);
        let last = MICROS_READABLE.end() - 1;
        assert_eq!(timestamp(last, true, End::Minimum).unwrap(), "\"9999-12-31T23:59:59.999Z\"");
        assert_eq!(timestamp(last, true, End::Maximum), None, "the next millisecond is in the year 10000");
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(0, 3), "0.000");
        assert_eq!(decimal(-42, 0), "-42");
        assert_eq!(decimal(10i128.pow(38) - 1, 38), format!("0.{}", "9".repeat(38)));
        assert_eq!(big_endian(&[0xFF, 0xFE]), Some(-2));
        assert_eq!(big_endian(&[0x01, 0x00]), Some(256));
    }

    #[test]
    fn floats_are_written_as_doubles() {
        let value = Value::Float(f64::from(0.1f32));
        let text = json(value, &DataType::Float32, End::Maximum).unwrap();
        assert_eq!(text, "0.10000000149011612");
        assert_eq!(json(Value::Float(f64::INFINITY), &DataType::Float64, End::Maximum), None);
        assert_eq!(json(Value::Float(-0.0), &DataType::Float64, End::Minimum).unwrap(), "-0.0");
    }
}
