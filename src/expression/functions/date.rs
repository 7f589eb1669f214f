//! Parts of dates and times, and moments cut to a part. The zone of a session is UTC.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        Date32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType,
    },
};

use super::{Call, Form, Function, Overload, fixed};
use crate::{
    engine::Result,
    expression::{
        Dialect,
        cast::{
            calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND},
            interval::Span,
            temporal::{is_finite, micros_to_date, timestamps},
        },
        types::Type,
    },
};

/// A part of a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) enum Part {
    Millennium,
    Century,
    Decade,
    IsoYear,
    Year,
    Quarter,
    Month,
    Week,
    YearWeek,
    Day,
    DayOfYear,
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1.
    IsoDayOfWeek,
    Era,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Epoch,
}

impl Part {
    /// DuckDB's names of parts (`date_part_specifier.cpp`).
    pub(in crate::expression) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "millennium" | "mil" | "millenniums" | "millennia" | "mils" | "millenium" => Self::Millennium,
            "century" | "cent" | "centuries" | "c" => Self::Century,
            "decade" | "dec" | "decades" | "decs" => Self::Decade,
            "isoyear" => Self::IsoYear,
            "year" | "yr" | "y" | "years" | "yrs" => Self::Year,
            "quarter" | "quarters" => Self::Quarter,
            "month" | "mon" | "months" | "mons" => Self::Month,
            "week" | "weeks" | "w" | "weekofyear" => Self::Week,
            "yearweek" => Self::YearWeek,
            "day" | "days" | "d" | "dayofmonth" => Self::Day,
            "doy" | "dayofyear" => Self::DayOfYear,
            "dow" | "dayofweek" | "weekday" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "era" => Self::Era,
            "hour" | "hr" | "h" | "hours" | "hrs" => Self::Hour,
            "minute" | "min" | "m" | "minutes" | "mins" => Self::Minute,
            "second" | "sec" | "s" | "seconds" | "secs" => Self::Second,
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => Self::Millisecond,
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => Self::Microsecond,
            "epoch" => Self::Epoch,
            _ => return None,
        })
    }

    /// The function that takes it.
    pub(in crate::expression) const fn function(self) -> &'static str {
        match self {
            Self::Millennium => "millennium",
            Self::Century => "century",
            Self::Decade => "decade",
            Self::IsoYear => "isoyear",
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::YearWeek => "yearweek",
            Self::Day => "day",
            Self::DayOfYear => "dayofyear",
            Self::DayOfWeek => "dayofweek",
            Self::IsoDayOfWeek => "isodow",
            Self::Era => "era",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
            Self::Millisecond => "millisecond",
            Self::Microsecond => "microsecond",
            Self::Epoch => "epoch",
        }
    }

    const fn is_of_time(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second | Self::Millisecond | Self::Microsecond)
    }

    /// Of a moment.
    fn of(self, micros: i64) -> i64 {
        let (days, time) = calendar::split(micros);
        if self.is_of_time() {
            return self.of_time(time);
        }
        let day = calendar::civil(days);
        let year = day.year;
        match self {
            Self::Millennium => {
                if year > 0 {
                    (year - 1) / 1000 + 1
                } else {
                    year / 1000 - 1
                }
            }
            Self::Century => {
                if year > 0 {
                    (year - 1) / 100 + 1
                } else {
                    year / 100 - 1
                }
            }
            Self::Decade => year / 10,
            Self::Quarter => i64::from(day.month - 1) / 3 + 1,
            Self::Month => day.month.into(),
            Self::Day => day.day.into(),
            Self::DayOfYear => days - calendar::days(year, 1, 1).map_or(days, i64::from) + 1,
            Self::DayOfWeek => iso_day(days) % 7,
            Self::IsoDayOfWeek => iso_day(days),
            Self::Era => i64::from(year > 0),
            Self::Week => iso_week(days).1,
            Self::IsoYear => iso_week(days).0,
            Self::YearWeek => {
                let (year, week) = iso_week(days);
                year * 100 + if year > 0 { week } else { -week }
            }
            _ => year,
        }
    }

    /// Of microseconds into a day.
    const fn of_time(self, time: i64) -> i64 {
        match self {
            Self::Hour => time / (3600 * MICROS_PER_SECOND),
            Self::Minute => time / (60 * MICROS_PER_SECOND) % 60,
            Self::Second => time / MICROS_PER_SECOND % 60,
            Self::Millisecond => time / 1000 % 60_000,
            _ => time % (60 * MICROS_PER_SECOND),
        }
    }

    /// Of an interval; `None` for parts it does not have.
    fn of_interval(self, span: Span) -> Option<i64> {
        let years = i64::from(span.months / 12);
        Some(match self {
            Self::Millennium => years / 1000,
            Self::Century => years / 100,
            Self::Decade => years / 10,
            Self::Year => years,
            Self::Quarter => i64::from(span.months % 12) / 3 + 1,
            Self::Month => i64::from(span.months % 12),
            Self::Day => span.days.into(),
            Self::Hour => span.micros / (3600 * MICROS_PER_SECOND),
            Self::Minute | Self::Second | Self::Millisecond | Self::Microsecond => self.of_time(span.micros),
            _ => return None,
        })
    }

    /// The first moment of the part that a moment lies in.
    pub(super) fn truncate(self, micros: i64) -> Option<i64> {
        let cut = |unit: i64| micros - micros.rem_euclid(unit);
        let (days, _) = calendar::split(micros);
        let day = calendar::civil(days);
        let start = |year: i64, month: i64| calendar::moment(calendar::days(year, month, 1)?, 0);
        let monday = days - iso_day(days) + 1;
        let at = |days: i64| calendar::moment(i32::try_from(days).ok()?, 0);
        match self {
            Self::Microsecond => Some(micros),
            Self::Epoch => Some(cut(MICROS_PER_SECOND)),
            Self::Millisecond => Some(cut(1000)),
            Self::Second => Some(cut(MICROS_PER_SECOND)),
            Self::Minute => Some(cut(60 * MICROS_PER_SECOND)),
            Self::Hour => Some(cut(3600 * MICROS_PER_SECOND)),
            Self::Week | Self::YearWeek => at(monday),
            Self::IsoYear => at(monday - (iso_week(monday).1 - 1) * 7),
            Self::Month => start(day.year, day.month.into()),
            Self::Quarter => start(day.year, i64::from(day.month - 1) / 3 * 3 + 1),
            Self::Year => start(day.year, 1),
            Self::Decade => start(day.year / 10 * 10, 1),
            Self::Century => start(day.year / 100 * 100, 1),
            Self::Millennium => start(day.year / 1000 * 1000, 1),
            _ => Some(cut(MICROS_PER_DAY)),
        }
    }
}

/// Monday is 1, Sunday 7. 1970-01-01 was a Thursday.
const fn iso_day(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The ISO 8601 year and week of a day: the year of its week's Thursday.
fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - iso_day(days) + 4;
    let year = calendar::civil(thursday).year;
    let first = calendar::days(year, 1, 1).map_or(thursday, i64::from);
    (year, (thursday - first) / 7 + 1)
}

macro_rules! parts {
    ($($name:literal $part:ident $spark:expr),* $(,)?) => {
        static PARTS: &[(&str, Part, Function)] = &[
            $(($name, Part::$part, Function {
                name: $name,
                run: |call| part(call, Part::$part),
                fails: false,
                keeps_nulls: false,
                duckdb: Form::Call($name),
                spark: $spark,
            })),*
        ];
    };
}

parts! {
    "millennium" Millennium Form::None,
    "century" Century Form::None,
    "decade" Decade Form::None,
    "isoyear" IsoYear Form::None,
    "year" Year Form::Call("year"),
    "quarter" Quarter Form::Call("quarter"),
    "month" Month Form::Call("month"),
    "week" Week Form::Call("weekofyear"),
    "yearweek" YearWeek Form::None,
    "day" Day Form::Call("day"),
    "dayofyear" DayOfYear Form::Call("dayofyear"),
    "dayofweek" DayOfWeek Form::None,
    "isodow" IsoDayOfWeek Form::None,
    "era" Era Form::None,
    "hour" Hour Form::Call("hour"),
    "minute" Minute Form::Call("minute"),
    "second" Second Form::Call("second"),
    "millisecond" Millisecond Form::None,
    "microsecond" Microsecond Form::None,
}

static EPOCH: Function = Function {
    name: "epoch",
    run: epoch,
    fails: false,
    keeps_nulls: false,
    duckdb: Form::Call("epoch"),
    spark: Form::None,
};
static DATE_TRUNC: Function = Function {
    name: "date_trunc",
    run: date_trunc,
    fails: true,
    keeps_nulls: true,
    duckdb: Form::Call("date_trunc"),
    spark: Form::None,
};
static LAST_DAY: Function = Function {
    name: "last_day",
    run: |call| {
        let micros = timestamps(&call.arguments[0].array, call.types[0]);
        let values = &call.arguments[0];
        Ok(call.numbers::<Date32Type>(|row| {
            let micros = micros[values.at(row)].filter(|micros| is_finite(*micros))?;
            let day = calendar::civil(calendar::split(micros).0);
            calendar::days(day.year, day.month.into(), calendar::month_length(day.year, day.month).into())
        }))
    },
    fails: false,
    keeps_nulls: false,
    duckdb: Form::Call("last_day"),
    spark: Form::Call("last_day"),
};

const TIMESTAMP: Type = Type::Timestamp(TimeUnit::Microsecond);

pub(super) fn overloads(name: &str, dialect: Dialect) -> Option<Vec<Overload>> {
    let text = Type::Varchar;
    match (name, dialect) {
        ("date_trunc" | "datetrunc", Dialect::DuckDb) => {
            return Some(vec![
                fixed([text.clone(), TIMESTAMP], TIMESTAMP, &DATE_TRUNC),
                fixed([text.clone(), Type::Date], TIMESTAMP, &DATE_TRUNC),
                fixed([text, Type::TimestampTz], Type::TimestampTz, &DATE_TRUNC),
            ]);
        }
        ("last_day", Dialect::DuckDb) => {
            return Some(
                [Type::Date, TIMESTAMP, Type::TimestampTz].map(|ty| fixed([ty], Type::Date, &LAST_DAY)).into(),
            );
        }
        ("last_day", Dialect::Spark) => return Some(vec![fixed([Type::Date], Type::Date, &LAST_DAY)]),
        ("epoch", Dialect::DuckDb) => {
            let types = [Type::Date, TIMESTAMP, Type::Interval, Type::Time];
            return Some(types.map(|ty| fixed([ty], Type::Double, &EPOCH)).into());
        }
        _ => {}
    }
    match dialect {
        Dialect::DuckDb => duckdb_part(name),
        Dialect::Spark => spark_part(name),
    }
}

fn duckdb_part(name: &str) -> Option<Vec<Overload>> {
    let name = match name {
        "dayofmonth" => "day",
        "weekday" => "dayofweek",
        "weekofyear" => "week",
        other => other,
    };
    let (_, part, function) = PARTS.iter().find(|(known, ..)| *known == name)?;
    let mut types = vec![Type::Date, TIMESTAMP, Type::TimestampTz];
    if part.of_interval(Span::default()).is_some() {
        types.push(Type::Interval);
    }
    if part.is_of_time() {
        types.push(Type::Time);
    }
    Some(types.into_iter().map(|ty| fixed([ty], Type::BigInt, function)).collect())
}

fn spark_part(name: &str) -> Option<Vec<Overload>> {
    let name = match name {
        "dayofmonth" => "day",
        "weekofyear" => "week",
        "year" | "quarter" | "month" | "day" | "dayofyear" | "hour" | "minute" | "second" => name,
        _ => return None,
    };
    let (_, part, function) = PARTS.iter().find(|(known, ..)| *known == name)?;
    let moments = [Type::TimestampTz, TIMESTAMP];
    let mut all: Vec<Overload> = moments.map(|ty| fixed([ty], Type::Integer, function)).into();
    if !part.is_of_time() {
        all.push(fixed([Type::Date], Type::Integer, function));
    }
    Some(all)
}

fn part(call: &Call<'_>, part: Part) -> Result<ArrayRef> {
    let values = &call.arguments[0];
    let found: Box<dyn Fn(usize) -> Option<i64> + '_> = match call.types[0] {
        Type::Time => {
            let time = call.number::<Time64MicrosecondType>(0);
            Box::new(move |row| time(row).map(|time| part.of_time(time)))
        }
        Type::Interval => {
            let span = call.number::<IntervalMonthDayNanoType>(0);
            Box::new(move |row| part.of_interval(span(row)?.into()))
        }
        Type::Date => {
            // Dates reach further than timestamps.
            let days = values.array.as_primitive::<Date32Type>();
            Box::new(move |row| {
                let row = values.at(row);
                let days = days.is_valid(row).then(|| days.value(row))?;
                let finite = days.unsigned_abs() != calendar::DATE_INFINITY.unsigned_abs();
                finite.then(|| part.of_days(i64::from(days)))
            })
        }
        ty => {
            let micros = timestamps(&values.array, ty);
            Box::new(move |row| {
                micros[values.at(row)].filter(|micros| is_finite(*micros)).map(|micros| part.of(micros))
            })
        }
    };
    Ok(match call.ty {
        Type::Integer => call.numbers::<Int32Type>(|row| found(row).and_then(|value| i32::try_from(value).ok())),
        _ => call.numbers::<Int64Type>(found),
    })
}

impl Part {
    /// Of a day, which may be one that no timestamp reaches.
    fn of_days(self, days: i64) -> i64 {
        if self.is_of_time() {
            return 0;
        }
        // 400 years repeat themselves: 146097 days, which are whole weeks.
        const DAYS_PER_CYCLE: i64 = 146_097;
        let cycles = days.div_euclid(DAYS_PER_CYCLE);
        let near = days.rem_euclid(DAYS_PER_CYCLE);
        match self {
            Self::Quarter
            | Self::Month
            | Self::Day
            | Self::DayOfYear
            | Self::DayOfWeek
            | Self::IsoDayOfWeek
            | Self::Week => self.of(near * MICROS_PER_DAY),
            Self::Year | Self::IsoYear => self.of(near * MICROS_PER_DAY) + cycles * 400,
            _ => {
                let year = Self::Year.of_days(days);
                match self {
                    Self::Millennium => {
                        if year > 0 {
                            (year - 1) / 1000 + 1
                        } else {
                            year / 1000 - 1
                        }
                    }
                    Self::Century => {
                        if year > 0 {
                            (year - 1) / 100 + 1
                        } else {
                            year / 100 - 1
                        }
                    }
                    Self::Decade => year / 10,
                    Self::Era => i64::from(year > 0),
                    _ => {
                        let (year, week) = (Self::IsoYear.of_days(days), Self::Week.of_days(days));
                        year * 100 + if year > 0 { week } else { -week }
                    }
                }
            }
        }
    }
}

/// Seconds since 1970-01-01, or of an interval or time.
fn epoch(call: &Call<'_>) -> Result<ArrayRef> {
    let values = &call.arguments[0];
    let micros: Box<dyn Fn(usize) -> Option<f64> + '_> = match call.types[0] {
        Type::Time => {
            let time = call.number::<Time64MicrosecondType>(0);
            Box::new(move |row| time(row).map(|time| time as f64))
        }
        Type::Interval => {
            let span = call.number::<IntervalMonthDayNanoType>(0);
            Box::new(move |row| {
                let span = Span::from(span(row)?);
                // A year has 365.25 days here, a month 30.
                let years = span.months / 12;
                let days = i64::from(span.months % 12) * 30 + i64::from(span.days);
                let micros = i128::from(years) * 31_557_600 * 1_000_000
                    + i128::from(days) * i128::from(MICROS_PER_DAY)
                    + i128::from(span.micros);
                Some(micros as f64)
            })
        }
        ty => {
            let micros = timestamps(&values.array, ty);
            Box::new(move |row| micros[values.at(row)].filter(|micros| is_finite(*micros)).map(|micros| micros as f64))
        }
    };
    Ok(call.numbers::<Float64Type>(|row| micros(row).map(|micros| micros / 1e6)))
}

fn date_trunc(call: &Call<'_>) -> Result<ArrayRef> {
    let name = call.text(0);
    let values = &call.arguments[1];
    let micros = timestamps(&values.array, call.types[1]);
    call.try_numbers::<TimestampMicrosecondType>(|row| {
        let (Some(name), true) = (name(row), values.array.is_valid(values.at(row))) else { return Ok(None) };
        let part = Part::named(name).ok_or_else(|| call.failure(row, "there is no such part"))?;
        let Some(micros) = micros[values.at(row)] else { return Err(call.overflow(row)) };
        if !is_finite(micros) {
            return Ok(Some(micros));
        }
        part.truncate(micros).map(Some).ok_or_else(|| call.overflow(row))
    })
}

/// The day a moment lies in, for Spark's functions of dates.
pub(super) fn day_of(micros: i64) -> i32 {
    micros_to_date(micros)
}

/// The first day of the part that a day lies in.
pub(super) fn truncate_day(part: Part, days: i32) -> Option<i32> {
    part.truncate(calendar::moment(days, 0)?).map(micros_to_date)
}
