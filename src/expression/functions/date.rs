//! Parts of dates and times, and moments cut to a part. The zone of a session is UTC.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        Date32Type, Float64Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType,
    },
};

use super::{Call, Form, Function, Overload, Part, fixed};
use crate::{
    engine::Result,
    expression::{
        Dialect,
        cast::{
            calendar::{self, MICROS_PER_DAY},
            interval::Span,
            temporal::{is_finite, micros_to_date, timestamps},
        },
        types::Type,
    },
};

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
