//! INTERVAL: months, days and nanoseconds, none of which is a whole number of another, and ISO 8601 durations.
//!
//! Written as `P{months}M{days}DT{seconds}[.{fraction}]S`, always with all three, each with its own sign; the fraction
//! without zeros at its end. Read are also years, weeks, hours and minutes, and durations that leave parts out.

use std::fmt::Write;

use arrow::datatypes::IntervalMonthDayNano;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Appends the text of an interval.
pub(in super::super) fn write(interval: IntervalMonthDayNano, text: &mut String) {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let nanos = nanoseconds.unsigned_abs();
    let one = NANOS_PER_SECOND.unsigned_abs();
    // Writing to a string cannot fail.
    let _ = write!(text, "P{months}M{days}DT{sign}{}", nanos / one);
    if nanos % one != 0 {
        let fraction = format!("{:09}", nanos % one);
        let _ = write!(text, ".{}", fraction.trim_end_matches('0'));
    }
    text.push('S');
}

/// The interval of a text; `None` if it is none, or one beyond what can be held.
pub(in super::super) fn parse(text: &str) -> Option<IntervalMonthDayNano> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None if rest.is_empty() => return None,
        None => (rest, ""),
    };
    let [years, months, weeks, days] = parts(date, ["Y", "M", "W", "D"])?.map(whole);
    let [hours, minutes, seconds] = parts(time, ["H", "M", "S"])?;
    let sum = |parts: &[(Option<i128>, i128)]| {
        parts.iter().try_fold(0_i128, |sum, (count, each)| sum.checked_add((*count)?.checked_mul(*each)?))
    };
    let one = i128::from(NANOS_PER_SECOND);
    let nanoseconds = sum(&[(whole(hours), 3600 * one), (whole(minutes), 60 * one), (nanos(seconds), 1)])?;
    Some(IntervalMonthDayNano {
        months: i32::try_from(sum(&[(years, 12), (months, 1)])?).ok()?,
        days: i32::try_from(sum(&[(weeks, 7), (days, 1)])?).ok()?,
        nanoseconds: i64::try_from(nanoseconds).ok()?,
    })
}

/// The numbers before each of the letters, which come in this order if they come; "0" for the others.
fn parts<'t, const N: usize>(mut text: &'t str, letters: [&str; N]) -> Option<[&'t str; N]> {
    let mut found = ["0"; N];
    for (place, letter) in found.iter_mut().zip(letters) {
        let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+')).unwrap_or(text.len());
        if let Some(after) = text[end..].strip_prefix(letter) {
            *place = &text[..end];
            text = after;
        }
    }
    text.is_empty().then_some(found)
}

fn whole(number: &str) -> Option<i128> {
    number.parse().ok()
}

/// Seconds, with a fraction or not, as nanoseconds.
fn nanos(number: &str) -> Option<i128> {
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let missing = 9_usize.checked_sub(fraction.len())?;
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit()).then_some(fraction)?;
    let fraction = digits.parse::<i128>().ok()? * 10_i128.pow(u32::try_from(missing).ok()?);
    let fraction = if seconds.starts_with('-') { -fraction } else { fraction };
    whole(seconds)?.checked_mul(NANOS_PER_SECOND.into())?.checked_add(fraction)
}
