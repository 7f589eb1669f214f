//! Dates, times, timestamps and intervals added and subtracted.
//!
//! Months are added first (a day past the month's end becomes its last), then days, then the rest. Infinite dates and
//! timestamps stay what they are.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, PrimitiveArray},
    datatypes::{
        Date32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
        Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
    },
};

use super::{Call, Form, Function, Overload, fixed};
use crate::{
    engine::Result,
    expression::{
        cast::{
            calendar::{self, DATE_INFINITY, MICROS_PER_DAY},
            interval::Span,
            temporal::is_finite,
        },
        types::Type,
    },
};

const TIMESTAMP: Type = Type::Timestamp(TimeUnit::Microsecond);

static DATE_PLUS_DAYS: Function = plus("+", date_plus_days);
static DAYS_PLUS_DATE: Function =
    plus("+", |call| call.zip::<Int32Type, Date32Type, Date32Type>(|days, date| shift_date(date, days)));
static DATE_MINUS_DAYS: Function =
    plus("-", |call| call.zip::<Date32Type, Int32Type, Date32Type>(|date, days| shift_date(date, days.checked_neg()?)));
static DATE_MINUS_DATE: Function = plus("-", |call| {
    call.zip::<Date32Type, Date32Type, Int64Type>(|left, right| Some(i64::from(left) - i64::from(right)))
});
static DATE_PLUS_INTERVAL: Function = plus("+", |call| {
    call.zip::<Date32Type, IntervalMonthDayNanoType, TimestampMicrosecondType>(|date, span| {
        shift(date_moment(date)?, Span::from(span))
    })
});
static INTERVAL_PLUS_DATE: Function = plus("+", |call| {
    call.zip::<IntervalMonthDayNanoType, Date32Type, TimestampMicrosecondType>(|span, date| {
        shift(date_moment(date)?, Span::from(span))
    })
});
static DATE_MINUS_INTERVAL: Function = plus("-", |call| {
    call.zip::<Date32Type, IntervalMonthDayNanoType, TimestampMicrosecondType>(|date, span| {
        shift(date_moment(date)?, Span::from(span).negated()?)
    })
});
static TIMESTAMP_PLUS_INTERVAL: Function = plus("+", |call| {
    call.zip::<TimestampMicrosecondType, IntervalMonthDayNanoType, TimestampMicrosecondType>(|moment, span| {
        shift(moment, Span::from(span))
    })
});
static INTERVAL_PLUS_TIMESTAMP: Function = plus("+", |call| {
    call.zip::<IntervalMonthDayNanoType, TimestampMicrosecondType, TimestampMicrosecondType>(|span, moment| {
        shift(moment, Span::from(span))
    })
});
static TIMESTAMP_MINUS_INTERVAL: Function = plus("-", |call| {
    call.zip::<TimestampMicrosecondType, IntervalMonthDayNanoType, TimestampMicrosecondType>(|moment, span| {
        shift(moment, Span::from(span).negated()?)
    })
});
static TIMESTAMP_MINUS_TIMESTAMP: Function = plus("-", |call| {
    call.zip::<TimestampMicrosecondType, TimestampMicrosecondType, IntervalMonthDayNanoType>(|left, right| {
        if !is_finite(left) || !is_finite(right) {
            return None;
        }
        let micros = left.checked_sub(right)?;
        let days = i32::try_from(micros / MICROS_PER_DAY).ok()?;
        Span { months: 0, days, micros: micros % MICROS_PER_DAY }.stored()
    })
});
static TIME_PLUS_INTERVAL: Function = plus("+", |call| {
    call.zip::<Time64MicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType>(|time, span| {
        Some((time + Span::from(span).micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY))
    })
});
static INTERVAL_PLUS_TIME: Function = plus("+", |call| {
    call.zip::<IntervalMonthDayNanoType, Time64MicrosecondType, Time64MicrosecondType>(|span, time| {
        Some((time + Span::from(span).micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY))
    })
});
static TIME_MINUS_INTERVAL: Function = plus("-", |call| {
    call.zip::<Time64MicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType>(|time, span| {
        Some((time - Span::from(span).micros % MICROS_PER_DAY).rem_euclid(MICROS_PER_DAY))
    })
});
static DATE_PLUS_TIME: Function =
    plus("+", |call| call.zip::<Date32Type, Time64MicrosecondType, TimestampMicrosecondType>(at));
static TIME_PLUS_DATE: Function = plus("+", |call| {
    call.zip::<Time64MicrosecondType, Date32Type, TimestampMicrosecondType>(|time, date| at(date, time))
});
static INTERVAL_PLUS_INTERVAL: Function = plus("+", |call| {
    call.zip::<IntervalMonthDayNanoType, IntervalMonthDayNanoType, IntervalMonthDayNanoType>(|left, right| {
        Span::from(left).plus(Span::from(right))?.stored()
    })
});
static INTERVAL_MINUS_INTERVAL: Function = plus("-", |call| {
    call.zip::<IntervalMonthDayNanoType, IntervalMonthDayNanoType, IntervalMonthDayNanoType>(|left, right| {
        Span::from(left).plus(Span::from(right).negated()?)?.stored()
    })
});
static NEGATE_INTERVAL: Function = Function {
    duckdb: Form::Prefix("-"),
    ..plus("-", |call| {
        call.map::<IntervalMonthDayNanoType, IntervalMonthDayNanoType>(|span| Span::from(span).negated()?.stored())
    })
};
static INTERVAL_TIMES: Function = plus("*", |call| {
    call.zip::<IntervalMonthDayNanoType, Int64Type, IntervalMonthDayNanoType>(|span, times| {
        Span::from(span).times(times)?.stored()
    })
});
static TIMES_INTERVAL: Function = plus("*", |call| {
    call.zip::<Int64Type, IntervalMonthDayNanoType, IntervalMonthDayNanoType>(|times, span| {
        Span::from(span).times(times)?.stored()
    })
});

const fn plus(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, run, fails: true, keeps_nulls: true, duckdb: Form::Infix(name), spark: Form::None }
}

pub(super) fn additions() -> Vec<Overload> {
    vec![
        fixed([Type::Date, Type::Integer], Type::Date, &DATE_PLUS_DAYS),
        fixed([Type::Integer, Type::Date], Type::Date, &DAYS_PLUS_DATE),
        fixed([Type::Interval, Type::Interval], Type::Interval, &INTERVAL_PLUS_INTERVAL),
        fixed([Type::Date, Type::Interval], TIMESTAMP, &DATE_PLUS_INTERVAL),
        fixed([Type::Interval, Type::Date], TIMESTAMP, &INTERVAL_PLUS_DATE),
        fixed([Type::Time, Type::Interval], Type::Time, &TIME_PLUS_INTERVAL),
        fixed([Type::Interval, Type::Time], Type::Time, &INTERVAL_PLUS_TIME),
        fixed([TIMESTAMP, Type::Interval], TIMESTAMP, &TIMESTAMP_PLUS_INTERVAL),
        fixed([Type::Interval, TIMESTAMP], TIMESTAMP, &INTERVAL_PLUS_TIMESTAMP),
        fixed([Type::TimestampTz, Type::Interval], Type::TimestampTz, &TIMESTAMP_PLUS_INTERVAL),
        fixed([Type::Interval, Type::TimestampTz], Type::TimestampTz, &INTERVAL_PLUS_TIMESTAMP),
        fixed([Type::Date, Type::Time], TIMESTAMP, &DATE_PLUS_TIME),
        fixed([Type::Time, Type::Date], TIMESTAMP, &TIME_PLUS_DATE),
    ]
}

pub(super) fn subtractions() -> Vec<Overload> {
    vec![
        fixed([Type::Date, Type::Date], Type::BigInt, &DATE_MINUS_DATE),
        fixed([Type::Date, Type::Integer], Type::Date, &DATE_MINUS_DAYS),
        fixed([TIMESTAMP, TIMESTAMP], Type::Interval, &TIMESTAMP_MINUS_TIMESTAMP),
        fixed([Type::TimestampTz, Type::TimestampTz], Type::Interval, &TIMESTAMP_MINUS_TIMESTAMP),
        fixed([Type::Interval, Type::Interval], Type::Interval, &INTERVAL_MINUS_INTERVAL),
        fixed([Type::Date, Type::Interval], TIMESTAMP, &DATE_MINUS_INTERVAL),
        fixed([Type::Time, Type::Interval], Type::Time, &TIME_MINUS_INTERVAL),
        fixed([TIMESTAMP, Type::Interval], TIMESTAMP, &TIMESTAMP_MINUS_INTERVAL),
        fixed([Type::TimestampTz, Type::Interval], Type::TimestampTz, &TIMESTAMP_MINUS_INTERVAL),
        fixed([Type::Interval], Type::Interval, &NEGATE_INTERVAL),
    ]
}

pub(super) fn multiplications() -> Vec<Overload> {
    vec![
        fixed([Type::Interval, Type::BigInt], Type::Interval, &INTERVAL_TIMES),
        fixed([Type::BigInt, Type::Interval], Type::Interval, &TIMES_INTERVAL),
    ]
}

fn date_plus_days(call: &Call<'_>) -> Result<ArrayRef> {
    call.zip::<Date32Type, Int32Type, Date32Type>(shift_date)
}

fn shift_date(date: i32, days: i32) -> Option<i32> {
    if date.unsigned_abs() == DATE_INFINITY.unsigned_abs() {
        return Some(date);
    }
    date.checked_add(days).filter(|date| date.unsigned_abs() < DATE_INFINITY.unsigned_abs())
}

/// Midnight of a date, in microseconds.
fn date_moment(date: i32) -> Option<i64> {
    match date {
        DATE_INFINITY => Some(i64::MAX),
        date if date == -DATE_INFINITY => Some(-i64::MAX),
        date => calendar::moment(date, 0),
    }
}

fn at(date: i32, time: i64) -> Option<i64> {
    let moment = date_moment(date)?;
    if is_finite(moment) { calendar::moment(date, time) } else { Some(moment) }
}

/// A moment, later by an interval.
pub(super) fn shift(moment: i64, span: Span) -> Option<i64> {
    if !is_finite(moment) {
        return Some(moment);
    }
    let (mut days, time) = calendar::split(moment);
    if span.months != 0 {
        let day = calendar::civil(days);
        let months = day.year * 12 + i64::from(day.month) - 1 + i64::from(span.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let last = calendar::month_length(year, month as u32);
        days = calendar::days(year, month, day.day.min(last).into())?.into();
    }
    days += i64::from(span.days) + span.micros / MICROS_PER_DAY;
    let time = time + span.micros % MICROS_PER_DAY;
    calendar::moment(i32::try_from(days).ok()?, 0)?.checked_add(time).filter(|moment| is_finite(*moment))
}

impl From<IntervalMonthDayNano> for Span {
    fn from(value: IntervalMonthDayNano) -> Self {
        Self { months: value.months, days: value.days, micros: value.nanoseconds / 1000 }
    }
}

impl Span {
    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    fn negated(self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_neg()?,
            days: self.days.checked_neg()?,
            micros: self.micros.checked_neg()?,
        })
    }

    fn times(self, times: i64) -> Option<Self> {
        let narrow = |value: i32| i32::try_from(i64::from(value).checked_mul(times)?).ok();
        Some(Self { months: narrow(self.months)?, days: narrow(self.days)?, micros: self.micros.checked_mul(times)? })
    }

    /// As Arrow keeps it; its nanoseconds reach less far than DuckDB's microseconds.
    pub(in crate::expression) fn stored(self) -> Option<IntervalMonthDayNano> {
        Some(IntervalMonthDayNano::new(self.months, self.days, self.micros.checked_mul(1000)?))
    }
}

/// `to_days(3)` and the like.
static TO_UNIT: [(&str, Function); 10] = [
    ("to_years", to_unit("to_years", |call| to_months(call, 12))),
    ("to_months", to_unit("to_months", |call| to_months(call, 1))),
    ("to_quarters", to_unit("to_quarters", |call| to_months(call, 3))),
    ("to_days", to_unit("to_days", |call| to_days(call, 1))),
    ("to_weeks", to_unit("to_weeks", |call| to_days(call, 7))),
    ("to_hours", to_unit("to_hours", |call| to_micros(call, 3_600_000_000))),
    ("to_minutes", to_unit("to_minutes", |call| to_micros(call, 60_000_000))),
    ("to_seconds", to_unit("to_seconds", to_seconds)),
    ("to_milliseconds", to_unit("to_milliseconds", to_milliseconds)),
    ("to_microseconds", to_unit("to_microseconds", |call| to_micros(call, 1))),
];

const fn to_unit(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, run, fails: true, keeps_nulls: true, duckdb: Form::Call(name), spark: Form::None }
}

pub(super) fn intervals(name: &str) -> Option<Vec<Overload>> {
    let (_, function) = TO_UNIT.iter().find(|(known, _)| *known == name)?;
    let parameter = match name {
        "to_years" | "to_months" | "to_quarters" | "to_days" | "to_weeks" => Type::Integer,
        "to_seconds" | "to_milliseconds" => Type::Double,
        _ => Type::BigInt,
    };
    Some(vec![fixed([parameter], Type::Interval, function)])
}

fn to_months(call: &Call<'_>, each: i32) -> Result<ArrayRef> {
    call.map::<Int32Type, IntervalMonthDayNanoType>(|count| {
        Span { months: count.checked_mul(each)?, ..Span::default() }.stored()
    })
}

fn to_days(call: &Call<'_>, each: i32) -> Result<ArrayRef> {
    call.map::<Int32Type, IntervalMonthDayNanoType>(|count| {
        Span { days: count.checked_mul(each)?, ..Span::default() }.stored()
    })
}

fn to_micros(call: &Call<'_>, each: i64) -> Result<ArrayRef> {
    call.map::<Int64Type, IntervalMonthDayNanoType>(|count| {
        Span { micros: count.checked_mul(each)?, ..Span::default() }.stored()
    })
}

fn to_seconds(call: &Call<'_>) -> Result<ArrayRef> {
    scaled(call, 1e6)
}

fn to_milliseconds(call: &Call<'_>) -> Result<ArrayRef> {
    scaled(call, 1e3)
}

fn scaled(call: &Call<'_>, micros: f64) -> Result<ArrayRef> {
    call.map::<Float64Type, IntervalMonthDayNanoType>(|count| {
        let micros = (count * micros).round();
        (micros.abs() < 9.2e18)
            .then_some(micros as i64)?
            .checked_mul(1000)
            .map(|nanos| IntervalMonthDayNano::new(0, 0, nanos))
    })
}

/// One interval, for a literal.
pub(in crate::expression) fn interval_value(span: Span) -> Option<ArrayRef> {
    let stored = span.stored()?;
    Some(Arc::new(PrimitiveArray::<IntervalMonthDayNanoType>::from_iter([Some(stored)])))
}
