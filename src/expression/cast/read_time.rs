//! Text as dates and times, as DuckDB reads it in a cast (`date.cpp`, `time.cpp`, `timestamp.cpp`).
//!
//! `None` is text that is no value of the type, or none in its range.

use super::{
    calendar::{self, DATE_INFINITY, MICROS_PER_DAY, MICROS_PER_SECOND, TIMESTAMP_INFINITY},
    read::{is_space, skip_spaces},
};

/// One or two digits, and what follows.
fn two_digits(text: &[u8]) -> Option<(i64, &[u8])> {
    let (first, rest) = text.split_first().filter(|(byte, _)| byte.is_ascii_digit())?;
    let first = i64::from(first - b'0');
    Some(match rest.split_first() {
        Some((second, rest)) if second.is_ascii_digit() => (first * 10 + i64::from(second - b'0'), rest),
        _ => (first, rest),
    })
}

/// A date at the head of a text: its days, whether it was a word, and what follows.
fn date_prefix(text: &[u8]) -> Option<(i32, bool, &[u8])> {
    let text = skip_spaces(text);
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if !text.first()?.is_ascii_digit() {
        for (word, shortest, days) in [("infinity", 3, DATE_INFINITY), ("epoch", 5, 0)] {
            let same = text.iter().zip(word.bytes()).take_while(|(a, b)| a.to_ascii_lowercase() == *b).count();
            if same == word.len() || same == shortest && text.len() == same {
                let days = if negative && days != 0 { -days } else { days };
                return skip_spaces(&text[same..]).is_empty().then_some((days, true, &text[text.len()..]));
            }
        }
        return None;
    }
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    if end > 9 {
        return None;
    }
    let year = text[..end].iter().fold(0_i64, |year, digit| year * 10 + i64::from(digit - b'0'));
    let mut year = if negative { -year } else { year };
    let separator = *text.get(end)?;
    if !matches!(separator, b' ' | b'-' | b'/' | b'\\') {
        return None;
    }
    let (month, rest) = two_digits(&text[end + 1..])?;
    let rest = rest.strip_prefix(&[separator])?;
    let (day, mut rest) = two_digits(rest)?;
    if let [space, b'(', b'b' | b'B', b'c' | b'C', b')', after @ ..] = rest
        && is_space(*space)
    {
        if negative || year == 0 {
            return None;
        }
        year = 1 - year;
        rest = after;
    }
    if rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((calendar::days(year, month, day)?, false, rest))
}

/// Days since 1970-01-01. Whatever follows the date is ignored, as DuckDB does.
pub(in crate::expression) fn date(text: &str) -> Option<i32> {
    date_prefix(text.as_bytes()).map(|(days, ..)| days)
}

/// A time at the head of a text: hours of up to nine digits, nanoseconds, and what follows.
pub(super) fn time_prefix(text: &[u8]) -> Option<(i64, &[u8])> {
    let text = skip_spaces(text);
    let end = text.iter().position(|byte| !byte.is_ascii_digit())?;
    if end == 0 || end > 9 || text[end] != b':' {
        return None;
    }
    let hours = text[..end].iter().fold(0_i64, |hours, digit| hours * 10 + i64::from(digit - b'0'));
    let (minutes, rest) = match &text[end + 1..] {
        [] => (0, &text[text.len()..]),
        rest => two_digits(rest)?,
    };
    let (seconds, mut rest) = match rest {
        [] | [b':'] => (0, &text[text.len()..]),
        [b':', rest @ ..] => two_digits(rest)?,
        _ => return None,
    };
    if minutes >= 60 || seconds >= 60 {
        return None;
    }
    let mut nanos = 0;
    if let [b'.', after @ ..] = rest {
        let end = after.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(after.len());
        for (digit, power) in after[..end].iter().zip((0..9).rev()) {
            nanos += i64::from(digit - b'0') * 10_i64.pow(power);
        }
        rest = &after[end..];
    }
    let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?;
    Some((seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?, rest))
}

/// Nanoseconds since midnight, of a time or else of a timestamp.
pub(in crate::expression) fn time(text: &str) -> Option<i64> {
    const NANOS_PER_DAY: i64 = MICROS_PER_DAY * 1000;
    if let Some((nanos, _)) = time_prefix(text.as_bytes()) {
        return (nanos <= NANOS_PER_DAY).then_some(nanos);
    }
    let micros = timestamp(text).filter(|micros| *micros != TIMESTAMP_INFINITY && *micros != -TIMESTAMP_INFINITY)?;
    Some(calendar::split(micros).1 * 1000 + stamp(text)?.nanos % 1000)
}

/// The parts of a timestamp.
pub(in crate::expression) struct Stamp {
    pub(in crate::expression) days: i32,
    /// Into the day.
    pub(in crate::expression) nanos: i64,
    /// East of UTC; `None` if the text names no zone.
    pub(in crate::expression) offset_seconds: Option<i64>,
}

pub(in crate::expression) fn stamp(text: &str) -> Option<Stamp> {
    let (days, _, rest) = date_prefix(text.as_bytes())?;
    if rest.is_empty() {
        return Some(Stamp { days, nanos: 0, offset_seconds: None });
    }
    let rest = rest.strip_prefix(b" ").or_else(|| rest.strip_prefix(b"T")).unwrap_or(rest);
    let (nanos, rest) = time_prefix(rest)?;
    if nanos / 1000 > MICROS_PER_DAY {
        return None;
    }
    let (offset_seconds, rest) = match rest {
        [] => (None, rest),
        [b'Z', rest @ ..] => (Some(0), rest),
        _ => match offset(rest) {
            Some((seconds, rest)) => (Some(seconds), rest),
            None => {
                let rest = rest.strip_prefix(b" ")?;
                let end = rest.iter().position(|byte| !is_zone(*byte)).unwrap_or(rest.len());
                match &rest[..end] {
                    [] => (None, rest),
                    name if name.eq_ignore_ascii_case(b"utc") => (Some(0), &rest[end..]),
                    _ => return None,
                }
            }
        },
    };
    skip_spaces(rest).is_empty().then_some(Stamp { days, nanos, offset_seconds })
}

const fn is_zone(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'+' | b'-')
}

/// `+HH[[:]MM[:SS]]` in seconds.
fn offset(text: &[u8]) -> Option<(i64, &[u8])> {
    let pair = |text: &[u8]| match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    };
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut seconds = pair(&text[1..])? * 3600;
    let mut rest = &text[3..];
    let colon = rest.first() == Some(&b':');
    let minutes = if colon { &rest[1..] } else { rest };
    if let Some(value) = pair(minutes) {
        seconds += value * 60;
        rest = &minutes[2..];
        if colon && rest.first() == Some(&b':') {
            if let Some(value) = pair(&rest[1..]) {
                seconds += value;
                rest = &rest[3..];
            } else {
                rest = &rest[1..];
            }
        }
    } else {
        rest = minutes;
    }
    Some((sign * seconds, rest))
}

/// Microseconds since 1970-01-01 of the local time: an offset is read and ignored, as DuckDB does.
pub(in crate::expression) fn timestamp(text: &str) -> Option<i64> {
    local(&stamp(text)?)
}

/// Microseconds since 1970-01-01 in UTC, which is also the zone of a text that names none.
pub(in crate::expression) fn timestamp_tz(text: &str) -> Option<i64> {
    let stamp = stamp(text)?;
    let local = local(&stamp)?;
    match stamp.offset_seconds {
        Some(seconds) if local.unsigned_abs() != TIMESTAMP_INFINITY.unsigned_abs() => {
            local.checked_sub(seconds * MICROS_PER_SECOND)
        }
        _ => Some(local),
    }
}

fn local(stamp: &Stamp) -> Option<i64> {
    match stamp.days {
        DATE_INFINITY => Some(TIMESTAMP_INFINITY),
        days if days == -DATE_INFINITY => Some(-TIMESTAMP_INFINITY),
        days => calendar::moment(days, stamp.nanos / 1000),
    }
}

/// Nanoseconds since 1970-01-01; an offset is subtracted.
pub(in crate::expression) fn timestamp_ns(text: &str) -> Option<i64> {
    let micros = timestamp_tz(text)?;
    if micros.unsigned_abs() == TIMESTAMP_INFINITY.unsigned_abs() {
        return Some(micros);
    }
    micros.checked_mul(1000)?.checked_add(stamp(text)?.nanos % 1000)
}

/// Microseconds and the offset in seconds.
pub(in crate::expression) fn time_tz(text: &str) -> Option<(i64, i64)> {
    if let Some((nanos, rest)) = time_prefix(text.as_bytes()) {
        let rest = skip_spaces(rest);
        let seconds = if rest.is_empty() { 0 } else { offset(rest)?.0 };
        let fits = nanos / 1000 <= MICROS_PER_DAY && seconds.abs() < 16 * 3600;
        return fits.then_some((nanos / 1000, seconds));
    }
    let micros = timestamp_tz(text).filter(|micros| micros.unsigned_abs() != TIMESTAMP_INFINITY.unsigned_abs())?;
    Some((calendar::split(micros).1, 0))
}
