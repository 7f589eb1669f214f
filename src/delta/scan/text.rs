//! Delta's texts as constants: partition values, and what statistics write for dates, timestamps and numbers.
//!
//! Delta protocol, sections "Partition Value Serialization" and "Per-file Statistics".

use arrow::{
    array::timezone::Tz,
    compute::kernels::cast_utils::{Parser, string_to_datetime},
    datatypes::{DataType, Date32Type, TimeUnit},
};

use crate::engine::Scalar;

/// A partition value as a constant of the column's type; `None` if the text is none of that type. The text is not
/// empty: that means NULL.
pub(super) fn partition_value(text: &str, data_type: &DataType) -> Option<Scalar> {
    match data_type {
        DataType::Boolean => boolean(text).map(Scalar::Boolean),
        DataType::Int8 => text.parse::<i8>().ok().map(|v| Scalar::Integer(v.into())),
        DataType::Int16 => text.parse::<i16>().ok().map(|v| Scalar::Integer(v.into())),
        DataType::Int32 => text.parse::<i32>().ok().map(|v| Scalar::Integer(v.into())),
        DataType::Int64 => text.parse::<i64>().ok().map(|v| Scalar::Integer(v.into())),
        DataType::Float32 | DataType::Float64 => float(text, data_type).map(Scalar::Float),
        DataType::Decimal128(precision, scale) => exact_decimal(text, *precision, u8::try_from(*scale).ok()?),
        DataType::Utf8 => Some(Scalar::Text(text.to_owned())),
        DataType::Binary => Some(Scalar::Binary(text.as_bytes().to_vec())),
        DataType::Date32 => date(text).map(Scalar::Date),
        DataType::Timestamp(TimeUnit::Microsecond, _) => timestamp(text).map(Scalar::Timestamp),
        _ => None,
    }
}

/// A float of the column's width, widened to 64 bits. The text is read at the column's width: a 32-bit 0.1 is not
/// the 64-bit one.
pub(super) fn float(text: &str, data_type: &DataType) -> Option<f64> {
    match data_type {
        DataType::Float32 => text.parse::<f32>().ok().map(f64::from),
        _ => text.parse::<f64>().ok(),
    }
}

/// Days since 1970-01-01 of `YYYY-MM-DD`.
pub(super) fn date(text: &str) -> Option<i32> {
    if text.len() != 10 {
        return None; // the parser takes whole timestamps too
    }
    Date32Type::parse(text)
}

/// Microseconds since 1970-01-01 of a date and a time; a text without an offset is taken as UTC.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None; // the parser slices bytes
    }
    let utc: Tz = "+00:00".parse().ok()?;
    Some(string_to_datetime(&utc, text).ok()?.timestamp_micros())
}

/// Whether a timestamp's text says how far from UTC it is.
pub(super) fn has_offset(text: &str) -> bool {
    text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']))
}

/// A decimal number: digits and how many of them stand after the point (negative: zeros that are not written).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecimalText {
    unscaled: i128,
    scale: i32,
}

impl DecimalText {
    /// `[-]digits[.digits][e[+-]digits]`; `None` for anything else and for more digits than can be held.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
        let all_digits = digits.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits || (digits.is_empty() && fraction.is_empty()) {
            return None;
        }
        let unscaled = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { unscaled, scale: i32::try_from(fraction.len()).ok()?.checked_sub(exponent)? })
    }

    /// The number at `scale` digits after the point, rounded down and up; `None` beyond what can be held.
    pub(super) fn at_scale(self, scale: u8) -> Option<(i128, i128)> {
        let up = i32::from(scale).checked_sub(self.scale)?;
        if self.unscaled == 0 {
            return Some((0, 0));
        }
        if up >= 0 {
            let exact = self.unscaled.checked_mul(10_i128.checked_pow(up.unsigned_abs())?)?;
            return Some((exact, exact));
        }
        let divisor = 10_i128.checked_pow(up.unsigned_abs())?;
        let floor = self.unscaled.div_euclid(divisor);
        Some((floor, floor + i128::from(self.unscaled.rem_euclid(divisor) != 0)))
    }
}

fn exact_decimal(text: &str, precision: u8, scale: u8) -> Option<Scalar> {
    let (down, up) = DecimalText::parse(text)?.at_scale(scale)?;
    let limit = 10_u128.checked_pow(precision.into())?;
    (down == up && down.unsigned_abs() < limit).then_some(Scalar::Decimal { unscaled: down, scale })
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MICROS: i64 = 86_400_000_000;

    #[test]
    fn every_type_of_partition_value() {
        let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        let cases = [
            ("true", DataType::Boolean, Scalar::Boolean(true)),
            ("-128", DataType::Int8, Scalar::Integer(-128)),
            ("32767", DataType::Int16, Scalar::Integer(32767)),
            ("-2147483648", DataType::Int32, Scalar::Integer(-2_147_483_648)),
            ("9223372036854775807", DataType::Int64, Scalar::Integer(i64::MAX.into())),
            ("0.1", DataType::Float32, Scalar::Float(f64::from(0.1_f32))),
            ("-1.0E10", DataType::Float64, Scalar::Float(-1e10)),
            ("-Infinity", DataType::Float64, Scalar::Float(f64::NEG_INFINITY)),
            ("12.5", DataType::Decimal128(5, 2), Scalar::Decimal { unscaled: 1250, scale: 2 }),
            ("1E+2", DataType::Decimal128(5, 2), Scalar::Decimal { unscaled: 10000, scale: 2 }),
            ("a/b=ü 'x'", DataType::Utf8, Scalar::Text("a/b=ü 'x'".into())),
            ("\u{1}\u{2}", DataType::Binary, Scalar::Binary(vec![1, 2])),
            ("1969-12-31", DataType::Date32, Scalar::Date(-1)),
            ("1970-01-02 00:00:00", micros(None), Scalar::Timestamp(DAY_MICROS)),
            ("1970-01-02 00:00:00.000001", micros(Some("UTC")), Scalar::Timestamp(DAY_MICROS + 1)),
            ("1970-01-02T00:00:00.123456Z", micros(Some("UTC")), Scalar::Timestamp(DAY_MICROS + 123_456)),
        ];
        for (text, data_type, expected) in cases {
            assert_eq!(partition_value(text, &data_type), Some(expected), "{text} as {data_type}");
        }
    }

    #[test]
    fn texts_of_another_type_are_refused() {
        for (text, data_type) in [
            ("yes", DataType::Boolean),
            ("128", DataType::Int8),
            ("1.0", DataType::Int64),
            ("123.456", DataType::Decimal128(5, 2)),
            ("1234.56", DataType::Decimal128(5, 2)),
            (".", DataType::Decimal128(5, 2)),
            ("1e", DataType::Decimal128(5, 2)),
            ("1970-1-1", DataType::Date32),
            ("1970-01-01T00:00:00", DataType::Date32),
            ("1970-01-01 00:00:00ü", DataType::Timestamp(TimeUnit::Microsecond, None)),
            ("x", DataType::Struct(Default::default())),
        ] {
            assert_eq!(partition_value(text, &data_type), None, "{text} as {data_type}");
        }
    }

    #[test]
    fn decimals_round_outwards() {
        let at = |text: &str, scale| DecimalText::parse(text).and_then(|d| d.at_scale(scale));
        assert_eq!(at("1.005", 2), Some((100, 101)));
        assert_eq!(at("-1.005", 2), Some((-101, -100)));
        assert_eq!(at("1.2345678901234568e18", 0), Some((1_234_567_890_123_456_800, 1_234_567_890_123_456_800)));
        assert_eq!(at("0e999999999", 2), Some((0, 0)));
        assert_eq!(at("1e99", 2), None);
        assert_eq!(at("1e-99999999999", 2), None);
        assert_eq!(at("9e-2147483648", 2), None);
    }

    #[test]
    fn offsets_are_seen_after_the_date_only() {
        assert!(!has_offset("2020-01-01T00:00:00.000"));
        assert!(has_offset("2020-01-01T00:00:00.000Z"));
        assert!(has_offset("2020-01-01T00:00:00.000-07:00"));
    }
}
