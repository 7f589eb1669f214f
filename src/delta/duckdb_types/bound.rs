//! Bounds of what is stored, as bounds of a column of the seam.

use arrow::datatypes::{DataType, Field};

use super::{
    kind::Kind,
    values::{DAY_MICROS, DAY_NANOS, MICROS_PER_MILLI, MICROS_PER_SECOND},
};
use crate::engine::Scalar;

/// Which bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// No value is below.
    Min,
    /// No value is above.
    Max,
}

/// The nearest bound, at or beyond `bound`, that is a stored value of the column's own type, and the stored type;
/// `None` if the column's values have another order than what is stored.
///
/// Bounds are widened by what writers may have lost, and other engines may have written what is no value of the type:
/// nobody reads that, so a bound need not hold for it.
pub(crate) fn stored_bound(bound: &Scalar, column: &Field, side: Side) -> Option<(Scalar, DataType)> {
    let kind = Kind::of(column).filter(|kind| kind.keeps_order())?;
    let integer = |last: i128| match bound {
        Scalar::Integer(value) => Some(Scalar::Integer((*value).clamp(0, last))),
        _ => None,
    };
    let timestamp = |each: i64| match bound {
        Scalar::Timestamp(micros) => Some(Scalar::Timestamp(whole(*micros, each, side))),
        _ => None,
    };
    let bound = match (kind, bound) {
        (Kind::UTinyInt, _) => integer(u8::MAX.into()),
        (Kind::USmallInt, _) => integer(u16::MAX.into()),
        (Kind::UInteger, _) => integer(u32::MAX.into()),
        (Kind::UBigInt, Scalar::Decimal { unscaled, scale: 0 }) => {
            Some(Scalar::Decimal { unscaled: (*unscaled).clamp(0, u64::MAX.into()), scale: 0 })
        }
        (Kind::UBigInt, _) => None,
        (Kind::Time, _) => integer(DAY_MICROS.into()),
        (Kind::TimeNs, _) => integer(DAY_NANOS.into()),
        (Kind::TimestampS, _) => timestamp(MICROS_PER_SECOND),
        (Kind::TimestampMs, _) => timestamp(MICROS_PER_MILLI),
        _ => Some(bound.clone()),
    };
    Some((bound?, kind.stored()))
}

/// The next whole unit at or beyond a time; an infinite one where there is none.
fn whole(micros: i64, each: i64, side: Side) -> i64 {
    let below = micros.rem_euclid(each);
    match side {
        Side::Min => micros.checked_sub(below).unwrap_or(-i64::MAX),
        Side::Max if below == 0 => micros,
        Side::Max => micros.checked_add(each - below).unwrap_or(i64::MAX),
    }
}
