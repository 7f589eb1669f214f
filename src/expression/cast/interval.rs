//! Text as an INTERVAL: `1 year 2 days`, `01:02:03`, `3 hours ago` (DuckDB's `interval.cpp`).

use super::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};

/// DuckDB's INTERVAL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::expression) struct Span {
    pub(in crate::expression) months: i32,
    pub(in crate::expression) days: i32,
    pub(in crate::expression) micros: i64,
}

const MICROS_PER_HOUR: i64 = 3600 * MICROS_PER_SECOND;
const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;

pub(in crate::expression) fn parse(text: &str) -> Option<Span> {
    let mut rest = text.as_bytes();
    if rest.first() == Some(&b'@') {
        rest = &rest[1..];
    }
    let mut span = Span::default();
    let mut found = false;
    loop {
        rest = skip(rest);
        let Some(first) = rest.first() else { break };
        if first.eq_ignore_ascii_case(&b'a') {
            let word = rest.get(..3)?;
            (word.eq_ignore_ascii_case(b"ago") && skip(&rest[3..]).is_empty()).then_some(())?;
            span = Span {
                months: span.months.checked_neg()?,
                days: span.days.checked_neg()?,
                micros: span.micros.checked_neg()?,
            };
            break;
        }
        let negative = *first == b'-';
        rest = if negative { &rest[1..] } else { rest };
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        if rest.get(end) == Some(&b':') {
            let nanos = super::read_time::time_prefix(rest)?.0;
            span.micros = span.micros.checked_add(nanos / 1000)?;
            span.micros = if negative { span.micros.checked_neg()? } else { span.micros };
            found = true;
            break;
        }
        let number: i64 = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        rest = &rest[end..];
        let mut fraction = 0;
        if let [b'.', after @ ..] = rest {
            let end = after.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(after.len());
            for (digit, power) in after[..end].iter().zip((0..6).rev()) {
                fraction += i64::from(digit - b'0') * 10_i64.pow(power);
            }
            rest = &after[end..];
        }
        let (number, fraction) = if negative { (-number, -fraction) } else { (number, fraction) };
        rest = skip(rest);
        let end = rest.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end..];
        if unit.is_empty() && !found {
            span.micros = number.checked_mul(MICROS_PER_SECOND)?.checked_add(fraction)?;
            found = skip(rest).is_empty();
            found.then_some(())?;
            break;
        }
        span.add(unit, number, fraction)?;
        found = true;
    }
    found.then_some(span)
}

fn skip(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n')).unwrap_or(text.len());
    &text[start..]
}

impl Span {
    /// Adds `number` and `fraction` millionths of a unit.
    fn add(&mut self, unit: &str, number: i64, fraction: i64) -> Option<()> {
        let part = |each: i64| fraction * each / MICROS_PER_SECOND;
        match Unit::named(unit)? {
            Unit::Months(each) => {
                let months = if each == 1 { 0 } else { part(each) };
                self.add_months(number.checked_mul(each)?.checked_add(months)?)?;
                if each == 1 || each == 3 {
                    self.add_days(fraction * each % MICROS_PER_SECOND * 30 / MICROS_PER_SECOND)?;
                }
            }
            Unit::Days(each) => {
                let days = if each == 1 { 0 } else { part(each) };
                self.add_days(number.checked_mul(each)?.checked_add(days)?)?;
                let left = if each == 1 { fraction } else { fraction * each % MICROS_PER_SECOND };
                self.add_micros(left.checked_mul(MICROS_PER_DAY / MICROS_PER_SECOND)?)?;
            }
            Unit::Micros(1) => self.add_micros(number.checked_add(fraction * 2 / MICROS_PER_SECOND)?)?,
            Unit::Micros(each) => {
                let micros = i128::from(fraction) * i128::from(each) / i128::from(MICROS_PER_SECOND);
                self.add_micros(number.checked_mul(each)?.checked_add(i64::try_from(micros).ok()?)?)?;
            }
        }
        Some(())
    }

    fn add_months(&mut self, months: i64) -> Option<()> {
        self.months = self.months.checked_add(i32::try_from(months).ok()?)?;
        Some(())
    }

    fn add_days(&mut self, days: i64) -> Option<()> {
        self.days = self.days.checked_add(i32::try_from(days).ok()?)?;
        Some(())
    }

    fn add_micros(&mut self, micros: i64) -> Option<()> {
        self.micros = self.micros.checked_add(micros)?;
        Some(())
    }
}

/// What a unit is of, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

impl Unit {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "millennium" | "mil" | "millenniums" | "millennia" | "mils" => Self::Months(12_000),
            "century" | "cent" | "centuries" | "c" => Self::Months(1200),
            "decade" | "dec" | "decades" | "decs" => Self::Months(120),
            "year" | "yr" | "y" | "years" | "yrs" => Self::Months(12),
            "quarter" | "quarters" => Self::Months(3),
            "month" | "mon" | "months" | "mons" => Self::Months(1),
            "week" | "w" | "weeks" | "weekofyear" => Self::Days(7),
            "day" | "d" | "days" | "dayofmonth" => Self::Days(1),
            "hour" | "hr" | "h" | "hours" | "hrs" => Self::Micros(MICROS_PER_HOUR),
            "minute" | "min" | "m" | "minutes" | "mins" => Self::Micros(MICROS_PER_MINUTE),
            "second" | "sec" | "s" | "seconds" | "secs" => Self::Micros(MICROS_PER_SECOND),
            "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => Self::Micros(1000),
            "microsecond" | "microseconds" | "us" | "usec" | "usecs" | "usecond" | "useconds" => Self::Micros(1),
            _ => return None,
        })
    }
}
