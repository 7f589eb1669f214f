//! DuckDB's types and constants (`serialize_types.cpp`, Value::Serialize in `common/types/value.cpp`).

use super::json::Json;
use crate::engine::Scalar;

/// A type whose values the engine can compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    /// TINYINT to HUGEINT, by width.
    Integer {
        bits: u32,
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
    Timestamp,
    TimestampTz,
}

impl Kind {
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
            "TINYINT" => Self::Integer { bits: 8 },
            "SMALLINT" => Self::Integer { bits: 16 },
            "INTEGER" => Self::Integer { bits: 32 },
            "BIGINT" => Self::Integer { bits: 64 },
            "HUGEINT" => Self::Integer { bits: 128 },
            "FLOAT" => Self::Float,
            "DOUBLE" => Self::Double,
            "VARCHAR" => Self::Varchar,
            "BLOB" => Self::Blob,
            "DATE" => Self::Date,
            "TIMESTAMP" => Self::Timestamp,
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
        Kind::Timestamp | Kind::TimestampTz => Scalar::Timestamp(value.integer()?.try_into().ok()?),
    })
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
            r#"{"id":"UBIGINT","type_info":null}"#,
            r#"{"id":"BIGINT"}"#,
            "null",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
