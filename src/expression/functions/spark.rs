//! Functions that only Spark has, or means otherwise. The zone of a session is UTC.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StringArray},
    datatypes::{Date32Type, Int32Type, TimeUnit, TimestampMicrosecondType},
};

use super::{Call, Form, Function, Overload, Part, date, fixed};
use crate::{
    engine::Result,
    expression::{
        cast::{
            self, Mode, calendar,
            temporal::{is_finite, timestamps},
        },
        types::Type,
    },
};

const fn function(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, run, fails: false, keeps_nulls: false, duckdb: Form::None, spark: Form::Call(name) }
}

/// CAST of text: NULL for what is no value.
pub(in crate::expression) static TEXT_TO: Function = Function { spark: Form::None, ..function("cast", text_to) };
static DATE_FORMAT: Function = Function { fails: true, ..function("date_format", date_format) };
static DATE_TRUNC: Function = function("date_trunc", date_trunc);
static TRUNC: Function = function("trunc", trunc);
static TO_DATE: Function = Function { spark: Form::Call("to_date"), ..function("to_date", text_to) };
static TO_DATE_OF_MOMENT: Function = function("to_date", |call| {
    let values = &call.arguments[0];
    let micros = timestamps(&values.array, call.types[0]);
    Ok(call.numbers::<Date32Type>(|row| micros[values.at(row)].map(date::day_of)))
});
static DATE_ADD: Function = Function {
    fails: true,
    ..function("date_add", |call| call.zip::<Date32Type, Int32Type, Date32Type>(i32::checked_add))
};
static DATE_SUB: Function = Function {
    fails: true,
    ..function("date_sub", |call| call.zip::<Date32Type, Int32Type, Date32Type>(i32::checked_sub))
};
static DATE_DIFF: Function = Function {
    fails: true,
    duckdb: Form::Infix("-"),
    ..function("datediff", |call| call.zip::<Date32Type, Date32Type, Int32Type>(i32::checked_sub))
};
/// Sunday is 1.
static DAY_OF_WEEK: Function = function("dayofweek", |call| {
    let day = call.number::<Date32Type>(0);
    Ok(call.numbers::<Int32Type>(|row| day(row).map(|day| (day.rem_euclid(7) + 4) % 7 + 1)))
});

pub(super) fn overloads(name: &str) -> Option<Vec<Overload>> {
    let (date, moment, local) = (Type::Date, Type::TimestampTz, Type::Timestamp(TimeUnit::Microsecond));
    let (text, int) = (Type::Varchar, Type::Integer);
    Some(match name {
        "date_format" => [moment, local, date].map(|ty| fixed([ty, Type::Varchar], Type::Varchar, &DATE_FORMAT)).into(),
        "date_trunc" => [moment, local].map(|ty| fixed([Type::Varchar, ty.clone()], ty, &DATE_TRUNC)).into(),
        "trunc" => vec![fixed([date.clone(), text], date, &TRUNC)],
        "to_date" => vec![
            fixed([text], Type::Date, &TO_DATE),
            fixed([date], Type::Date, &TO_DATE_OF_MOMENT),
            fixed([moment], Type::Date, &TO_DATE_OF_MOMENT),
            fixed([local], Type::Date, &TO_DATE_OF_MOMENT),
        ],
        "date_add" => vec![fixed([date.clone(), int], date, &DATE_ADD)],
        "date_sub" => vec![fixed([date.clone(), int], date, &DATE_SUB)],
        "datediff" | "date_diff" => vec![fixed([date.clone(), date], int, &DATE_DIFF)],
        "dayofweek" => vec![fixed([date], int, &DAY_OF_WEEK)],
        _ => return None,
    })
}

fn text_to(call: &Call<'_>) -> Result<ArrayRef> {
    let text = call.text(0);
    // What Spark reads is brought to the form DuckDB reads, the rest is no value.
    let texts: StringArray = (0..call.rows).map(|row| text(row).and_then(|text| normal_form(text, call.ty))).collect();
    let texts: ArrayRef = Arc::new(texts);
    cast::cast(&texts, &Type::Varchar, call.ty, Mode::Lenient)
}

fn normal_form(text: &str, ty: &Type) -> Option<String> {
    // UTF8String.trimAll: whitespace and control characters.
    let text = text.trim_matches(|character: char| character.is_ascii_whitespace() || character.is_ascii_control());
    if text.contains('_') {
        return None;
    }
    match ty {
        Type::Boolean => Some(text.to_owned()),
        Type::Date => day(text),
        Type::Timestamp(_) | Type::TimestampTz => {
            text.get(4..5).filter(|separator| *separator == "-").map(|_| text.to_owned())
        }
        Type::Float | Type::Double => {
            let (body, suffix) = text.split_at(text.len() - text.chars().last().map_or(0, char::len_utf8));
            let suffixed =
                matches!(suffix, "d" | "D" | "f" | "F") && body.ends_with(|c: char| c.is_ascii_digit() || c == '.');
            Some(if suffixed { body } else { text }.to_owned())
        }
        Type::Decimal(..) => Some(text.to_owned()),
        _ => {
            // Digits, and behind a point more of them, which are dropped.
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let digits = whole.strip_prefix(['+', '-']).unwrap_or(whole);
            let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            let known = plain(digits) && plain(fraction) && !(digits.is_empty() && fraction.is_empty());
            known.then(|| if digits.is_empty() { "0".to_owned() } else { whole.to_owned() })
        }
    }
}

/// `yyyy`, `yyyy-m`, `yyyy-m-d`, the last with anything behind a space or a `T`.
fn day(text: &str) -> Option<String> {
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => ("-", body),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let parts: Vec<&str> = body.splitn(3, '-').collect();
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let last = parts.get(2).map(|day| day.split([' ', 'T']).next().unwrap_or_default());
    let (year, month, day) = (parts[0], parts.get(1).copied().unwrap_or("1"), last.unwrap_or("1"));
    (digits(year, 4..=7) && digits(month, 1..=2) && digits(day, 1..=2)).then(|| format!("{sign}{year}-{month}-{day}"))
}

/// Spark's name of a part to cut to; `None` is NULL.
fn part(name: &str) -> Option<Part> {
    Some(match name.to_ascii_uppercase().as_str() {
        "YEAR" | "YYYY" | "YY" => Part::Year,
        "QUARTER" => Part::Quarter,
        "MONTH" | "MM" | "MON" => Part::Month,
        "WEEK" => Part::Week,
        "DAY" | "DD" => Part::Day,
        "HOUR" => Part::Hour,
        "MINUTE" => Part::Minute,
        "SECOND" => Part::Second,
        "MILLISECOND" => Part::Millisecond,
        "MICROSECOND" => Part::Microsecond,
        _ => return None,
    })
}

fn date_trunc(call: &Call<'_>) -> Result<ArrayRef> {
    let (name, moment) = (call.text(0), call.number::<TimestampMicrosecondType>(1));
    Ok(call.numbers::<TimestampMicrosecondType>(|row| {
        let (part, moment) = (part(name(row)?)?, moment(row)?);
        if is_finite(moment) { part.truncate(moment) } else { None }
    }))
}

/// Dates are cut to weeks at least.
fn trunc(call: &Call<'_>) -> Result<ArrayRef> {
    let (day, name) = (call.number::<Date32Type>(0), call.text(1));
    Ok(call.numbers::<Date32Type>(|row| {
        let part =
            part(name(row)?).filter(|part| matches!(part, Part::Year | Part::Quarter | Part::Month | Part::Week))?;
        date::truncate_day(part, day(row)?)
    }))
}

/// One field of a pattern, or text.
pub(in crate::expression) enum Field {
    Year,
    Month(bool),
    Day(bool),
    Hour(bool),
    Minute(bool),
    Second(bool),
    Text(String),
}

fn date_format(call: &Call<'_>) -> Result<ArrayRef> {
    let values = &call.arguments[0];
    let (micros, pattern) = (timestamps(&values.array, call.types[0]), call.text(1));
    let mut known: Option<(&str, Vec<Field>)> = None;
    let mut texts: Vec<Option<String>> = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let (Some(micros), Some(pattern)) = (micros[values.at(row)], pattern(row)) else {
            texts.push(None);
            continue;
        };
        if known.as_ref().is_none_or(|(seen, _)| *seen != pattern) {
            let fields = fields(pattern).map_err(|letters| {
                call.failure(row, &format!("the pattern \"{letters}\" of date_format is not offered"))
            })?;
            known = Some((pattern, fields));
        }
        let year = calendar::civil(calendar::split(micros).0).year;
        if !is_finite(micros) || !(0..=9999).contains(&year) {
            return Err(call.failure(row, "date_format is offered for the years 0 to 9999"));
        }
        texts.push(known.as_ref().map(|(_, fields)| format(micros, fields)));
    }
    Ok(Arc::new(texts.into_iter().collect::<StringArray>()))
}

/// `Err` holds the letters that are not offered.
pub(in crate::expression) fn fields(pattern: &str) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(first) = rest.next() {
        if first == '\'' {
            let mut text: String = std::iter::from_fn(|| rest.next_if(|character| *character != '\'')).collect();
            rest.next().ok_or_else(|| pattern.to_owned())?;
            if text.is_empty() {
                text.push('\'');
            }
            fields.push(Field::Text(text));
            continue;
        }
        if !first.is_ascii_alphabetic() {
            if matches!(first, '[' | ']' | '{' | '}' | '#') {
                return Err(first.to_string());
            }
            fields.push(Field::Text(first.to_string()));
            continue;
        }
        let mut letters = first.to_string();
        while let Some(letter) = rest.next_if_eq(&first) {
            letters.push(letter);
        }
        fields.push(match letters.as_str() {
            "yyyy" => Field::Year,
            "MM" | "M" => Field::Month(letters.len() == 2),
            "dd" | "d" => Field::Day(letters.len() == 2),
            "HH" | "H" => Field::Hour(letters.len() == 2),
            "mm" | "m" => Field::Minute(letters.len() == 2),
            "ss" | "s" => Field::Second(letters.len() == 2),
            _ => return Err(letters),
        });
    }
    Ok(fields)
}

fn format(micros: i64, fields: &[Field]) -> String {
    let (days, time) = calendar::split(micros);
    let day = calendar::civil(days);
    let seconds = time / calendar::MICROS_PER_SECOND;
    let number = |value: i64, padded: bool| if padded { format!("{value:02}") } else { value.to_string() };
    fields
        .iter()
        .map(|field| match field {
            Field::Year => format!("{:04}", day.year),
            Field::Month(padded) => number(day.month.into(), *padded),
            Field::Day(padded) => number(day.day.into(), *padded),
            Field::Hour(padded) => number(seconds / 3600, *padded),
            Field::Minute(padded) => number(seconds / 60 % 60, *padded),
            Field::Second(padded) => number(seconds % 60, *padded),
            Field::Text(text) => text.clone(),
        })
        .collect()
}
