//! Partitions: which rows belong together, what the log calls their values, and in which directory they lie.

mod path;
mod split;
mod value;

pub(super) use path::directory;
pub(super) use split::{PartitionKey, Splitter};

use std::ops::RangeInclusive;

/// Days since 1970 of the years 1 to 9999: what every reader can parse with its four digits of a year.
pub(super) const DAYS_READABLE: RangeInclusive<i128> = -719_162..=2_932_896;
/// Microseconds since 1970 of the same years.
pub(super) const MICROS_READABLE: RangeInclusive<i128> =
    *DAYS_READABLE.start() * 86_400_000_000..=(*DAYS_READABLE.end() + 1) * 86_400_000_000 - 1;
