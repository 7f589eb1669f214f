//! DuckDB's types and constants (`serialize_types.cpp`, Value::Serialize in `common/types/value.cpp`).

use super::json::Json;
use crate::engine::Scalar;

/// A type whose values the engine can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    /// TINYINT to HUGEINT and UTINYINT to UBIGINT, by width.
    Integer {
        bits: u32,
        signed: bool,
    },
    Decimal {
        width: u32,
        scale: u32,
    },
    Float,
    Double,
    Varchar,
    Blob,
    Date,
    /// Microseconds, as an integer.
    Time,
    /// Nanoseconds, as an integer.
    TimeNs,
    /// TIMESTAMP, and TIMESTAMP_S and TIMESTAMP_MS, whose constants are brought into microseconds.
    Timestamp(Unit),
    /// Nanoseconds, as an integer.
    TimestampNs,
    TimestampTz,
}

/// How fine a timestamp is, up to microseconds. Ordered: a finer one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Second,
    Millisecond,
    Microsecond,
}

impl Unit {
    fn micros(self) -> i64 {
        match self {
            Self::Second => 1_000_000,
            Self::Millisecond => 1_000,
            Self::Microsecond => 1,
        }
    }
}

impl Kind {
    /// Whether a column of this type is compared by the engine. HUGEINT stands only for what a narrower column is cast
    /// to.
    pub(super) fn is_of_columns(self) -> bool {
        !matches!(self, Self::Integer { bits: 128, .. })
    }

    /// Reads a LogicalType. Types with further information (a collation, an alias such as JSON) compare in their own
    /// way and are not understood.
    pub(super) fn parse(logical_type: &Json<'_>) -> Option<Self> {
        let info = logical_type.get("type_info")?;
        let id = logical_type.get("id")?.text()?;
        if id == "DECIMAL" {
            return Self::decimal(info);
        }
        info.is_null().then_some(())?;
        Some(match id {
            "BOOLEAN" => Self::Boolean,
            "TINYINT" => Self::Integer { bits: 8, signed: true },
            "UTINYINT" => Self::Integer { bits: 8, signed: false },
            "SMALLINT" => Self::Integer { bits: 16, signed: true },
            "USMALLINT" => Self::Integer { bits: 16, signed: false },
            "INTEGER" => Self::Integer { bits: 32, signed: true },
            "UINTEGER" => Self::Integer { bits: 32, signed: false },
            "BIGINT" => Self::Integer { bits: 64, signed: true },
            "UBIGINT" => Self::Integer { bits: 64, signed: false },
            "HUGEINT" => Self::Integer { bits: 128, signed: true },
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "VARCHAR" => Self::Varchar,
            "BLOB" => Self::Blob,
            "DATE" => Self::Date,
            "TIME" => Self::Time,
            "TIME_NS" => Self::TimeNs,
            "TIMESTAMP_S" => Self::Timestamp(Unit::Second),
            "TIMESTAMP_MS" => Self::Timestamp(Unit::Millisecond),
            "TIMESTAMP" => Self::Timestamp(Unit::Microsecond),
            "TIMESTAMP_NS" => Self::TimestampNs,
            "TIMESTAMP WITH TIME ZONE" => Self::TimestampTz,
            _ => return None,
        })
    }

    fn decimal(info: &Json<'_>) -> Option<Self> {
        info.get("alias")?.text()?.is_empty().then_some(())?;
        let digits = |name| info.get(name)?.integer()?.try_into().ok().filter(|&digits: &u32| digits <= 38);
        let (width, scale) = (digits("width")?, digits("scale")?);
        (scale <= width).then_some(Self::Decimal { width, scale })
    }
}

/// A constant, `None` for NULL.
pub(super) type Constant = Option<Scalar>;

/// The type and value of a BOUND_CONSTANT.
pub(super) fn parse(expression: &Json<'_>) -> Option<(Kind, Constant)> {
    let value = expression.get("value")?;
    let kind = Kind::parse(value.get("type")?)?;
    match value.get("is_null")?.bool()? {
        true => Some((kind, None)),
        false => Some((kind, Some(scalar(kind, value.get("value")?)?))),
    }
}

fn scalar(kind: Kind, value: &Json<'_>) -> Option<Scalar> {
    Some(match kind {
        Kind::Boolean => Scalar::Boolean(value.bool()?),
        Kind::Integer { .. } => Scalar::Integer(integer(value)?),
        Kind::Decimal { scale, .. } => Scalar::Decimal { unscaled: integer(value)?, scale: scale.try_into().ok()? },
        Kind::Float | Kind::Double => Scalar::Float(value.real()?),
        Kind::Varchar => Scalar::Text(value.text()?.to_owned()),
        Kind::Blob => Scalar::Binary(blob(value.text()?)?),
        Kind::Date => Scalar::Date(value.integer()?.try_into().ok()?),
        Kind::Time | Kind::TimeNs | Kind::TimestampNs => Scalar::Integer(value.integer()?),
        Kind::Timestamp(unit) => Scalar::Timestamp(micros(value.integer()?.try_into().ok()?, unit)?),
        Kind::TimestampTz => Scalar::Timestamp(value.integer()?.try_into().ok()?),
    })
}

/// The infinities are the same numbers in every unit.
fn micros(value: i64, unit: Unit) -> Option<i64> {
    if value.unsigned_abs() == i64::MAX.unsigned_abs() { Some(value) } else { value.checked_mul(unit.micros()) }
}

/// A number, or the two halves of a HUGEINT (`airport_json_serializer.cpp`).
fn integer(value: &Json<'_>) -> Option<i128> {
    if let Some(integer) = value.integer() {
        return Some(integer);
    }
    let upper: i64 = value.get("upper")?.integer()?.try_into().ok()?;
    let lower: u64 = value.get("lower")?.integer()?.try_into().ok()?;
    Some((i128::from(upper) << 64) | i128::from(lower))
}

/// The bytes of a BLOB: printable ASCII stands for itself, all else is `\xAB` (Blob::ToString in
/// `common/types/blob.cpp`).
fn blob(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        (bytes, rest) = match (first, tail) {
            (b'\\', [b'x', high, low, tail @ ..]) => (push(bytes, hex(*high)? << 4 | hex(*low)?), tail),
            (b' '..=b'~', _) if *first != b'\\' => (push(bytes, *first), tail),
            _ => return None,
        };
    }
    Some(bytes)
}

fn push(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{super::json, *};

    #[test]
    fn huge_integers_are_two_halves() {
        let value = |text: &str| integer(&json::parse(text).unwrap());
        assert_eq!(value(r#"{"upper":9223372036854775807,"lower":18446744073709551615}"#), Some(i128::MAX));
        assert_eq!(value(r#"{"upper":-9223372036854775808,"lower":0}"#), Some(i128::MIN));
        assert_eq!(value(r#"{"upper":-1,"lower":18446744063709551616}"#), Some(-10_000_000_000));
        assert_eq!(value("-5"), Some(-5));
        for text in [r#"{"upper":1}"#, r#"{"upper":9223372036854775808,"lower":0}"#, "1.5", "\"1\"", "null"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_microseconds_and_infinities_stay() {
        assert_eq!(micros(-1, Unit::Second), Some(-1_000_000));
        assert_eq!(micros(-1, Unit::Millisecond), Some(-1_000));
        for unit in [Unit::Second, Unit::Millisecond, Unit::Microsecond] {
            assert_eq!(micros(i64::MAX, unit), Some(i64::MAX));
            assert_eq!(micros(-i64::MAX, unit), Some(-i64::MAX));
        }
        assert_eq!(micros(i64::MAX - 1, Unit::Millisecond), None);
        assert_eq!(micros(i64::MIN, Unit::Second), None);
    }

    #[test]
    fn blobs_are_escaped_text() {
        assert_eq!(blob(r"\x00\xFFab \x5C"), Some(b"\x00\xffab \\".to_vec()));
        assert_eq!(blob(""), Some(vec![]));
        for text in [r"\", r"\x", r"\x0", r"\xG0", r"\n", "é", "\n"] {
            assert_eq!(blob(text), None, "{text}");
        }
    }

    #[test]
    fn types_with_more_to_them_are_not_understood() {
        let kind = |text: &str| Kind::parse(&json::parse(text).unwrap());
        assert_eq!(kind(r#"{"id":"VARCHAR","type_info":null}"#), Some(Kind::Varchar));
        for text in [
            r#"{"id":"VARCHAR","type_info":{"type":"STRING_TYPE_INFO","alias":"","collation":"NOCASE"}}"#,
            r#"{"id":"VARCHAR","type_info":{"type":"GENERIC_TYPE_INFO","alias":"JSON"}}"#,
            r#"{"id":"DECIMAL","type_info":{"alias":"","width":2,"scale":3}}"#,
            r#"{"id":"DECIMAL","type_info":{"alias":"","width":400,"scale":3}}"#,
            r#"{"id":"DECIMAL","type_info":{"alias":"money","width":9,"scale":3}}"#,
            r#"{"id":"DECIMAL","type_info":null}"#,
            r#"{"id":"UHUGEINT","type_info":null}"#,
            r#"{"id":"UUID","type_info":null}"#,
            r#"{"id":"BIGINT"}"#,
            "null",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
