//! Casts among dates, times and timestamps. The zone of a session is UTC.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        Date32Type, Time64MicrosecondType, Time64NanosecondType,
        TimeUnit::{self, Microsecond, Millisecond, Nanosecond, Second},
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    },
};

use super::{
    Cast, Offer,
    calendar::{self, DATE_INFINITY, TIMESTAMP_INFINITY},
};
use crate::{
    engine::{Error, Result},
    expression::types::Type,
};

pub(super) fn offer(from: &Type, to: &Type) -> Offer {
    match (from, to) {
        (Type::Date, Type::Timestamp(_) | Type::TimestampTz) => Offer::Partial,
        (Type::TimeNs, Type::Time) => Offer::Total,
        (Type::Timestamp(_) | Type::TimestampTz, Type::Date) => Offer::Total,
        (Type::Timestamp(_), Type::Time) => Offer::Partial,
        (Type::Timestamp(Microsecond), Type::TimestampTz) | (Type::TimestampTz, Type::Timestamp(Microsecond)) => {
            Offer::Total
        }
        (Type::Timestamp(from), Type::Timestamp(to)) => match (from, to) {
            (Microsecond, Second | Millisecond) | (Nanosecond, Microsecond) => Offer::Total,
            (Second, Millisecond) => Offer::Partial,
            (_, Microsecond | Nanosecond) => Offer::Partial,
            _ => Offer::No,
        },
        (Type::Timestamp(_), Type::TimestampTz) => Offer::Partial,
        (Type::Blob, Type::Bit) | (Type::Bit, Type::Blob) => Offer::No,
        _ => Offer::No,
    }
}

impl Cast<'_> {
    pub(super) fn temporal(&self) -> Result<ArrayRef> {
        match (self.from, self.to) {
            (Type::TimeNs, Type::Time) => {
                self.map::<Time64NanosecondType, Time64MicrosecondType>(|value| Some(value / 1000))
            }
            (Type::Date, to) => {
                let unit = unit(to);
                let convert = move |days: i32| from_micros(date_to_micros(days)?, unit);
                match unit {
                    Second => self.map::<Date32Type, TimestampSecondType>(convert),
                    Millisecond => self.map::<Date32Type, TimestampMillisecondType>(convert),
                    Microsecond => self.map::<Date32Type, TimestampMicrosecondType>(convert),
                    Nanosecond => self.map::<Date32Type, TimestampNanosecondType>(convert),
                }
            }
            (from, Type::Date) => self.cast_timestamp::<Date32Type>(unit(from), |micros| Some(micros_to_date(micros))),
            (from, Type::Time) => self.cast_timestamp::<Time64MicrosecondType>(unit(from), |micros| {
                is_finite(micros).then(|| calendar::split(micros).1)
            }),
            (Type::Timestamp(Nanosecond), Type::Timestamp(Nanosecond)) => Ok(self.array.clone()),
            (Type::Timestamp(_) | Type::TimestampTz, Type::Timestamp(_) | Type::TimestampTz) => {
                let (from, to) = (unit(self.from), unit(self.to));
                let convert = move |micros: i64| from_micros(micros, to);
                match to {
                    Second => self.cast_timestamp::<TimestampSecondType>(from, convert),
                    Millisecond => self.cast_timestamp::<TimestampMillisecondType>(from, convert),
                    Microsecond => self.cast_timestamp::<TimestampMicrosecondType>(from, convert),
                    Nanosecond => self.cast_timestamp::<TimestampNanosecondType>(from, convert),
                }
            }
            (from, to) => Err(Error::Unsupported(format!("a cast from {from} to {to} is not offered in expressions"))),
        }
    }

    fn cast_timestamp<T: arrow::array::ArrowPrimitiveType>(
        &self,
        unit: TimeUnit,
        convert: impl Fn(i64) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let convert = |value: i64| convert(to_micros(value, unit)?);
        match unit {
            Second => self.map::<TimestampSecondType, T>(convert),
            Millisecond => self.map::<TimestampMillisecondType, T>(convert),
            Microsecond => self.map::<TimestampMicrosecondType, T>(convert),
            Nanosecond => self.map::<TimestampNanosecondType, T>(convert),
        }
    }
}

/// Microseconds of every timestamp of an array, whatever its unit; `None` for NULL and what is out of range.
pub(in crate::expression) fn timestamps(array: &ArrayRef, ty: &Type) -> Vec<Option<i64>> {
    let unit = unit(ty);
    let rows = 0..array.len();
    macro_rules! each {
        ($unit:ty) => {{
            let values = array.as_primitive::<$unit>();
            rows.map(|row| values.is_valid(row).then(|| to_micros(values.value(row), unit)).flatten()).collect()
        }};
    }
    match ty {
        Type::Date => {
            let values = array.as_primitive::<Date32Type>();
            rows.map(|row| values.is_valid(row).then(|| date_to_micros(values.value(row))).flatten()).collect()
        }
        _ => match unit {
            Second => each!(TimestampSecondType),
            Millisecond => each!(TimestampMillisecondType),
            Microsecond => each!(TimestampMicrosecondType),
            Nanosecond => each!(TimestampNanosecondType),
        },
    }
}

const fn unit(ty: &Type) -> TimeUnit {
    match ty {
        Type::Timestamp(unit) => *unit,
        _ => Microsecond,
    }
}

pub(in crate::expression) const fn is_finite(timestamp: i64) -> bool {
    timestamp.unsigned_abs() != TIMESTAMP_INFINITY.unsigned_abs()
}

fn date_to_micros(days: i32) -> Option<i64> {
    match days {
        DATE_INFINITY => Some(TIMESTAMP_INFINITY),
        days if days == -DATE_INFINITY => Some(-TIMESTAMP_INFINITY),
        days => calendar::moment(days, 0),
    }
}

pub(in crate::expression) fn micros_to_date(micros: i64) -> i32 {
    match micros {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        micros if !is_finite(micros) => -DATE_INFINITY,
        // Timestamps reach less far than dates.
        micros => calendar::split(micros).0 as i32,
    }
}

fn to_micros(value: i64, unit: TimeUnit) -> Option<i64> {
    if !is_finite(value) {
        return Some(value);
    }
    match unit {
        Second => value.checked_mul(1_000_000),
        Millisecond => value.checked_mul(1000),
        Microsecond => Some(value),
        // Towards the epoch.
        Nanosecond => Some(value / 1000),
    }
}

/// Coarser units round half away from the epoch.
pub(super) fn from_micros(micros: i64, unit: TimeUnit) -> Option<i64> {
    let rounded = |per_unit: i64| {
        let halves = micros / (per_unit / 2);
        (if halves < 0 { halves - 1 } else { halves + 1 }) / 2
    };
    if !is_finite(micros) {
        return Some(micros);
    }
    match unit {
        Second => Some(rounded(1_000_000)),
        Millisecond => Some(rounded(1000)),
        Microsecond => Some(micros),
        Nanosecond => micros.checked_mul(1000),
    }
}
