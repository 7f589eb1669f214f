//! The proleptic Gregorian calendar, over days and microseconds since 1970-01-01, with DuckDB's infinities.

pub(in crate::expression) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(in crate::expression) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// DuckDB's infinities are the greatest value and its negative, of dates (i32) and timestamps (i64) alike.
pub(in crate::expression) const DATE_INFINITY: i32 = i32::MAX;
pub(in crate::expression) const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// The first and last days DuckDB has, -5877641-06-25 and 5881580-07-10.
const DAYS: std::ops::RangeInclusive<i64> = -2_147_483_646..=2_147_483_646;

/// A day, year 0 being 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expression) struct Civil {
    pub(in crate::expression) year: i64,
    pub(in crate::expression) month: u32,
    pub(in crate::expression) day: u32,
}

/// The day that is `days` after 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub(in crate::expression) fn civil(days: i64) -> Civil {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    Civil { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
}

/// Days since 1970-01-01; `None` for what is no day or none of DuckDB's.
pub(in crate::expression) fn days(year: i64, month: i64, day: i64) -> Option<i32> {
    if !(1..=12).contains(&month) || day < 1 || day > i64::from(month_length(year, month as u32)) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    DAYS.contains(&days).then_some(days as i32)
}

pub(in crate::expression) const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(in crate::expression) const fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of a moment, and the microseconds into it.
pub(in crate::expression) const fn split(micros: i64) -> (i64, i64) {
    (micros.div_euclid(MICROS_PER_DAY), micros.rem_euclid(MICROS_PER_DAY))
}

/// Microseconds since 1970-01-01; `None` past what TIMESTAMP holds.
pub(in crate::expression) fn moment(days: i32, micros: i64) -> Option<i64> {
    let moment = i64::from(days).checked_mul(MICROS_PER_DAY)?.checked_add(micros)?;
    (moment.unsigned_abs() < TIMESTAMP_INFINITY.unsigned_abs()).then_some(moment)
}
