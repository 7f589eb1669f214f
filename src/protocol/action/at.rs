//! Time travel: `AT (VERSION => 1)`, `AT (TIMESTAMP => ...)`.
//!
//! The client sends the clause's value as DuckDB prints it, whatever its type (`storage/airport_table_set.cpp`).

use arrow::{compute::kernels::cast_utils::Parser, datatypes::Date32Type};

use crate::protocol::DecodeError;

/// Which version of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtClause {
    /// No clause.
    Absent,
    /// A table version.
    Version(u64),
    /// The newest version at a time, in microseconds since 1970-01-01 UTC.
    Timestamp(i64),
}

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

/// The farthest a zone may be from UTC (DuckDB's `dtime_tz_t::MAX_OFFSET`).
const OFFSET_S_MAX: i64 = 16 * 3600 - 1;

impl AtClause {
    pub(in crate::protocol) fn parse(unit: &str, value: &str) -> Result<Self, DecodeError> {
        let refused = |reason: String| Err(DecodeError::new("AT clause", reason));
        match unit.to_ascii_uppercase().as_str() {
            "" => Ok(Self::Absent),
            "VERSION" => match value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse()) {
                Some(Ok(version)) => Ok(Self::Version(version)),
                _ => refused(format!("version {value:?} is not a whole number of 0 or more")),
            },
            "TIMESTAMP" => match timestamp_us(value) {
                Some(time_us) => Ok(Self::Timestamp(time_us)),
                None => refused(format!(
                    "timestamp {value:?} is no point in time; write it as 2024-12-31 23:59:59.5, \
                     followed by an offset such as +01 if it is not of UTC"
                )),
            },
            _ => refused(format!("unit {unit:?} is neither VERSION nor TIMESTAMP")),
        }
    }
}

/// `YYYY-MM-DD`, then perhaps a blank or `T` and a time, then perhaps an offset; all of UTC without one, as the
/// server does not know the session's zone.
fn timestamp_us(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let days = i64::from(Date32Type::parse(date).filter(|_| is_date)?);
    let in_day_us = match rest.strip_prefix([' ', 'T']) {
        Some(time) => time_us(time)?,
        None if rest.is_empty() => 0,
        None => return None,
    };
    (days * DAY_S * SECOND_US).checked_add(in_day_us)
}

/// `HH:MM`, perhaps `:SS` and a fraction, perhaps an offset, which is taken off.
fn time_us(text: &str) -> Option<i64> {
    let at = text.find(['Z', 'z', '+', '-', ' ']).unwrap_or(text.len());
    let (clock, offset) = (&text[..at], text[at..].trim_start_matches(' '));
    let (clock, fraction_us) = match clock.split_once('.') {
        Some((clock, digits)) => (clock, fraction_us(digits)?),
        None => (clock, 0),
    };
    let seconds = match clock.split(':').collect::<Vec<_>>()[..] {
        [hours, minutes] if !text[..at].contains('.') => hms_s(hours, minutes, "00")?,
        [hours, minutes, seconds] => hms_s(hours, minutes, seconds)?,
        _ => return None,
    };
    Some((seconds - offset_s(offset)?) * SECOND_US + fraction_us)
}

/// Up to nine digits; what lies below a microsecond is cut off.
fn fraction_us(digits: &str) -> Option<i64> {
    let all_digits = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits {
        return None;
    }
    let micros = &format!("{digits:0<6}")[..6];
    micros.parse().ok()
}

/// Nothing, `Z`, `UTC`, or a sign and `HH`, `HH:MM` or `HH:MM:SS`.
fn offset_s(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") || text.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let seconds = match text.strip_prefix(['+', '-'])?.split(':').collect::<Vec<_>>()[..] {
        [hours] => hms_s(hours, "00", "00")?,
        [hours, minutes] => hms_s(hours, minutes, "00")?,
        [hours, minutes, seconds] => hms_s(hours, minutes, seconds)?,
        _ => return None,
    };
    (seconds <= OFFSET_S_MAX).then_some(sign * seconds)
}

fn hms_s(hours: &str, minutes: &str, seconds: &str) -> Option<i64> {
    Some(below(hours, 24)? * 3600 + below(minutes, 60)? * 60 + below(seconds, 60)?)
}

/// A number of two digits below `bound`.
fn below(digits: &str, bound: i64) -> Option<i64> {
    let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| two && *number < bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unit: &str, value: &str) -> Result<AtClause, DecodeError> {
        AtClause::parse(unit, value)
    }

    #[test]
    fn points_in_time_as_duckdb_prints_them() {
        const NEW_YEAR_US: i64 = 1_704_067_200_000_000;
        for (text, time_us) in [
            ("2024-01-01", NEW_YEAR_US),
            ("2024-01-01 00:00:00", NEW_YEAR_US),
            ("2024-01-01 00:00:00+00", NEW_YEAR_US),
            ("2024-01-01T00:00:00Z", NEW_YEAR_US),
            ("2024-01-01 00:00", NEW_YEAR_US),
            ("2024-01-01 00:00 UTC", NEW_YEAR_US),
            ("2024-01-01 01:30:00+01:30", NEW_YEAR_US),
            ("2023-12-31 19:00:00 -05", NEW_YEAR_US),
            ("2024-01-01 15:59:59+15:59:59", NEW_YEAR_US),
            ("2024-01-01 00:00:00.5", NEW_YEAR_US + 500_000),
            ("2024-01-01 00:00:00.000001+00", NEW_YEAR_US + 1),
            ("2024-01-01 00:00:00.123456789", NEW_YEAR_US + 123_456),
            ("1969-12-31 23:59:59.999999", -1),
            ("0001-01-01 00:00:00", -62_135_596_800_000_000),
        ] {
            assert_eq!(at("timestamp", text), Ok(AtClause::Timestamp(time_us)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_point_in_time() {
        for text in [
            "",
            "NULL",
            "infinity",
            "-infinity",
            "epoch",
            "5",
            "1704067200",
            "2024-13-01",
            "2024-02-30",
            "2024-1-1",
            "12:00:00",
            "2024-01-01x",
            "2024-01-01 ",
            "2024-01-01 24:00:00",
            "2024-01-01 00:60:00",
            "2024-01-01 00:00:60",
            "2024-01-01 0:00:00",
            "2024-01-01 00:00:00.",
            "2024-01-01 00:00:00.1234567890",
            "2024-01-01 00:00:00+16",
            "2024-01-01 00:00:00+1",
            "2024-01-01 00:00:00 Europe/Berlin",
            "2024-01-01 (BC) 00:00:00",
            "10000-01-01 00:00:00",
            "2024-01-01 00:00:00\u{661}",
            "２０２４-01-01",
        ] {
            let error = at("TIMESTAMP", text).expect_err(text).to_string();
            assert!(error.contains("is no point in time"), "{error}");
        }
    }

    #[test]
    fn versions_are_plain_numbers() {
        assert_eq!(at("VERSION", "0"), Ok(AtClause::Version(0)));
        assert_eq!(at("version", "18446744073709551615"), Ok(AtClause::Version(u64::MAX)));
        for text in ["", "+1", "-1", "1.0", "NULL", "one", "18446744073709551616"] {
            assert!(at("VERSION", text).is_err(), "{text}");
        }
    }
}
