//! Parts of dates, times and intervals, and where they begin.

use crate::expression::cast::{
    calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND},
    interval::Span,
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

    pub(super) const fn is_of_time(self) -> bool {
        matches!(self, Self::Hour | Self::Minute | Self::Second | Self::Millisecond | Self::Microsecond)
    }

    /// Of a moment.
    pub(super) fn of(self, micros: i64) -> i64 {
        let (days, time) = calendar::split(micros);
        if self.is_of_time() {
            return self.of_time(time);
        }
        let day = calendar::civil(days);
        let year = day.year;
        match self {
            Self::Quarter => i64::from(day.month - 1) / 3 + 1,
            Self::Month => day.month.into(),
            Self::Day => day.day.into(),
            Self::DayOfYear => days - calendar::days(year, 1, 1).map_or(days, i64::from) + 1,
            Self::DayOfWeek => iso_day(days) % 7,
            Self::IsoDayOfWeek => iso_day(days),
            Self::Week => iso_week(days).1,
            Self::IsoYear => iso_week(days).0,
            Self::YearWeek => {
                let (year, week) = iso_week(days);
                year_week(year, week)
            }
            _ => self.of_year(year),
        }
    }

    /// Of a year; the year itself for what a year alone does not tell.
    const fn of_year(self, year: i64) -> i64 {
        match self {
            Self::Millennium if year > 0 => (year - 1) / 1000 + 1,
            Self::Millennium => year / 1000 - 1,
            Self::Century if year > 0 => (year - 1) / 100 + 1,
            Self::Century => year / 100 - 1,
            Self::Decade => year / 10,
            Self::Era => (year > 0) as i64,
            _ => year,
        }
    }

    /// Of microseconds into a day.
    pub(super) const fn of_time(self, time: i64) -> i64 {
        match self {
            Self::Hour => time / (3600 * MICROS_PER_SECOND),
            Self::Minute => time / (60 * MICROS_PER_SECOND) % 60,
            Self::Second => time / MICROS_PER_SECOND % 60,
            Self::Millisecond => time / 1000 % 60_000,
            _ => time % (60 * MICROS_PER_SECOND),
        }
    }

    /// Of an interval; `None` for parts it does not have.
    pub(super) fn of_interval(self, span: Span) -> Option<i64> {
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

/// Year and week in one number.
const fn year_week(year: i64, week: i64) -> i64 {
    year * 100 + if year > 0 { week } else { -week }
}

impl Part {
    /// Of a day, which may be one that no timestamp reaches.
    pub(super) fn of_days(self, days: i64) -> i64 {
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
            Self::YearWeek => year_week(Self::IsoYear.of_days(days), Self::Week.of_days(days)),
            _ => self.of_year(Self::Year.of_days(days)),
        }
    }
}
