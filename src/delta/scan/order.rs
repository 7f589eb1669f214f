//! The order of constants, as DuckDB has it.

use std::cmp::Ordering;

use arrow::datatypes::i256;

use crate::engine::Scalar;

/// How two constants of one kind compare; `None` for different kinds, which nobody may conclude anything from.
///
/// Texts and binaries compare by bytes, also with one another (a widened bound of a text is a binary). NaN equals
/// NaN and is greater than every number; -0.0 equals 0.0. Decimals compare by value, whatever their scales.
pub(super) fn compare(left: &Scalar, right: &Scalar) -> Option<Ordering> {
    match (left, right) {
        (Scalar::Boolean(a), Scalar::Boolean(b)) => Some(a.cmp(b)),
        (Scalar::Integer(a), Scalar::Integer(b)) => Some(a.cmp(b)),
        (Scalar::Decimal { unscaled: a, scale: s }, Scalar::Decimal { unscaled: b, scale: t }) => {
            compare_decimals((*a, *s), (*b, *t))
        }
        (Scalar::Float(a), Scalar::Float(b)) => Some(compare_floats(*a, *b)),
        (Scalar::Date(a), Scalar::Date(b)) => Some(a.cmp(b)),
        (Scalar::Timestamp(a), Scalar::Timestamp(b)) => Some(a.cmp(b)),
        _ => Some(bytes(left)?.cmp(bytes(right)?)),
    }
}

/// The bytes of a text or a binary.
pub(super) fn bytes(scalar: &Scalar) -> Option<&[u8]> {
    match scalar {
        Scalar::Text(text) => Some(text.as_bytes()),
        Scalar::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

/// Numbers by value, zeros equal whatever their signs, NaN equal to itself and last.
pub(super) fn compare_floats(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

fn compare_decimals(left: (i128, u8), right: (i128, u8)) -> Option<Ordering> {
    if left.1 == right.1 {
        return Some(left.0.cmp(&right.0));
    }
    let scale = left.1.max(right.1);
    let widen = |(unscaled, own): (i128, u8)| {
        let factor = i256::from_i128(10).checked_pow(u32::from(scale - own))?;
        i256::from_i128(unscaled).checked_mul(factor)
    };
    Some(widen(left)?.cmp(&widen(right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(unscaled: i128, scale: u8) -> Scalar {
        Scalar::Decimal { unscaled, scale }
    }

    #[test]
    fn floats_follow_duckdb() {
        let nan = f64::NAN;
        let cases = [
            (nan, nan, Ordering::Equal),
            (nan, -nan, Ordering::Equal),
            (nan, f64::INFINITY, Ordering::Greater),
            (f64::NEG_INFINITY, nan, Ordering::Less),
            (-0.0, 0.0, Ordering::Equal),
            (-1.0, 0.0, Ordering::Less),
        ];
        for (a, b, expected) in cases {
            assert_eq!(compare(&Scalar::Float(a), &Scalar::Float(b)), Some(expected), "{a} and {b}");
        }
    }

    #[test]
    fn decimals_compare_by_value() {
        assert_eq!(compare(&decimal(150, 2), &decimal(15, 1)), Some(Ordering::Equal));
        assert_eq!(compare(&decimal(-151, 2), &decimal(-15, 1)), Some(Ordering::Less));
        assert_eq!(compare(&decimal(i128::MAX, 0), &decimal(i128::MAX, 38)), Some(Ordering::Greater));
        assert_eq!(compare(&decimal(1, 255), &decimal(1, 0)), None, "beyond what can be held");
    }

    #[test]
    fn texts_compare_by_bytes_and_kinds_do_not_mix() {
        let text = |s: &str| Scalar::Text(s.to_owned());
        assert_eq!(compare(&text("Z"), &text("a")), Some(Ordering::Less));
        assert_eq!(compare(&text("\u{10ffff}"), &Scalar::Binary(vec![0xff])), Some(Ordering::Less));
        assert_eq!(compare(&text("1"), &Scalar::Integer(1)), None);
        assert_eq!(compare(&Scalar::Date(1), &Scalar::Timestamp(1)), None);
    }
}
