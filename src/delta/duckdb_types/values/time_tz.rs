//! TIMETZ: DuckDB's bits and texts like `12:34:56.789000+01:00:00`.
//!
//! The microseconds of the local day lie in the upper 40 bits, the offset from UTC in seconds in the lower 24, counted
//! down from the largest (`common/types/datetime.hpp`, `dtime_tz_t`).

use std::fmt::Write;

use super::{DAY_MICROS, MICROS_PER_SECOND};

const OFFSET_BITS: u32 = 24;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
/// ±15:59:59
const OFFSET_SECONDS_MAX: i64 = 16 * 60 * 60 - 1;

/// Appends the text of a time.
pub(in super::super) fn write(bits: u64, text: &mut String) -> Result<(), &'static str> {
    let invalid = "not as DuckDB packs one";
    let micros = (bits >> OFFSET_BITS).cast_signed();
    let offset = OFFSET_SECONDS_MAX - (bits & OFFSET_MASK).cast_signed();
    if micros > DAY_MICROS || offset < -OFFSET_SECONDS_MAX {
        return Err(invalid);
    }
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let sign = if offset < 0 { '-' } else { '+' };
    let ([hour, minute, second], [h, m, s]) = (clock(seconds), clock(offset.abs()));
    write!(text, "{hour:02}:{minute:02}:{second:02}.{fraction:06}{sign}{h:02}:{m:02}:{s:02}").map_err(|_| invalid)
}

/// The bits of a time; `None` if the text is none. The fraction, and minutes and seconds of the offset, may be missing.
pub(in super::super) fn parse(text: &str) -> Option<u64> {
    let at = text.find(['+', '-'])?;
    let (time, offset) = text.split_at(at);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = parts(time, 3)?;
    let micros = (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + fraction_micros(fraction)?;
    let [h, m, s] = parts(&offset[1..], 1)?;
    let seconds = h * 3600 + m * 60 + s;
    let fits = minute < 60 && second < 60 && m < 60 && s < 60 && micros <= DAY_MICROS && seconds <= OFFSET_SECONDS_MAX;
    let offset = if offset.starts_with('-') { -seconds } else { seconds };
    fits.then(|| (micros.cast_unsigned() << OFFSET_BITS) | (OFFSET_SECONDS_MAX - offset).cast_unsigned())
}

fn clock(seconds: i64) -> [i64; 3] {
    [seconds / 3600, seconds / 60 % 60, seconds % 60]
}

/// Two digits each, with colons between; `parts_min` to three of them.
fn parts(text: &str, parts_min: usize) -> Option<[i64; 3]> {
    let mut found = [0; 3];
    let mut count = 0;
    for part in text.split(':') {
        *found.get_mut(count)? = (part.len() == 2).then(|| digits(part))??;
        count += 1;
    }
    (count >= parts_min).then_some(found)
}

fn fraction_micros(text: &str) -> Option<i64> {
    let missing = 6_usize.checked_sub(text.len())?;
    Some(digits(text)? * 10_i64.pow(u32::try_from(missing).ok()?))
}

fn digits(text: &str) -> Option<i64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}
