//! When versions were committed, and which was the newest at a time.
//!
//! As Spark has it (`DeltaHistoryManager.scala`): a version's time is what its commit says if the table keeps
//! in-commit timestamps (PROTOCOL.md, "In-Commit Timestamps"), and when its commit file was last changed otherwise.
//! Clocks of writers differ, so a file's time that is not later than that of the version before counts as a
//! millisecond later. Times are whole milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use arrow::temporal_conversions::timestamp_us_to_datetime;

use super::{actions::in_commit_timestamp_ms, definition::InCommitTimestamps, log::Log, log_listing::LogListing};
use crate::engine::{Error, Result};

/// How far ahead of this server's clock a time may be and still mean now: clients have clocks of their own.
const SKEW_US_MAX: i64 = 60_000_000;

/// The versions of a table that can be read and have a time.
#[derive(Debug)]
pub(crate) struct History<'a> {
    table: &'a str,
    log: &'a Log,
    /// Versions and their times, both ascending: those of files.
    by_file: Vec<(u64, i64)>,
    /// Versions whose commits say their times, which ascend.
    by_commit: Vec<u64>,
    /// No time in a commit is earlier.
    by_commit_since_ms: i64,
}

impl<'a> History<'a> {
    /// The history of a table at its newest version.
    pub(crate) fn new(
        table: &'a str,
        log: &'a Log,
        listing: &LogListing,
        in_commits: Option<InCommitTimestamps>,
    ) -> Self {
        let readable = listing.readable();
        let since = in_commits.map_or(u64::MAX, |enabled| enabled.version);
        let (mut by_file, mut by_commit) = (Vec::<(u64, i64)>::new(), Vec::new());
        for (version, modified_ms) in listing
            .commits()
            .filter(|(version, _)| readable.as_ref().is_some_and(|readable| readable.contains(version)))
        {
            if version >= since {
                by_commit.push(version);
            } else {
                let after = by_file.last().map_or(i64::MIN, |(_, time_ms)| time_ms.saturating_add(1));
                by_file.push((version, modified_ms.max(after)));
            }
        }
        let by_commit_since_ms = in_commits.map_or(i64::MAX, |enabled| enabled.time_ms);
        Self { table, log, by_file, by_commit, by_commit_since_ms }
    }

    /// The newest version at `time_us`; `now_us` is the time.
    pub(crate) async fn as_of(&self, time_us: i64, now_us: i64) -> Result<u64> {
        if time_us > now_us.saturating_add(SKEW_US_MAX) {
            return Err(self.still_to_come(time_us).await);
        }
        let time_ms = time_us.div_euclid(1000);
        if (time_ms >= self.by_commit_since_ms || self.by_file.is_empty())
            && let Some(version) = self.last_commit_at(time_ms).await?
        {
            return Ok(version);
        }
        let later = self.by_file.partition_point(|(_, at_ms)| *at_ms <= time_ms);
        match later.checked_sub(1).and_then(|at| self.by_file.get(at)) {
            Some((version, _)) => Ok(*version),
            None => Err(self.before_the_first(time_us).await),
        }
    }

    /// The last version whose commit says a time up to `time_ms`, by bisection.
    async fn last_commit_at(&self, time_ms: i64) -> Result<Option<u64>> {
        let (mut at_or_before, mut after) = (0, self.by_commit.len());
        while at_or_before < after {
            let middle = at_or_before + (after - at_or_before) / 2;
            match self.time_ms(self.by_commit[middle]).await? <= time_ms {
                true => at_or_before = middle + 1,
                false => after = middle,
            }
        }
        Ok(at_or_before.checked_sub(1).map(|at| self.by_commit[at]))
    }

    /// The time a commit says.
    async fn time_ms(&self, version: u64) -> Result<i64> {
        let context = || format!("cannot tell the time of version {version} of table '{}'", self.table);
        let commit = self.log.read(version).await?.ok_or_else(|| Error::internal(context(), "its commit is gone"))?;
        in_commit_timestamp_ms(&commit.bytes)
            .ok_or_else(|| Error::internal(context(), "its commit has no inCommitTimestamp"))
    }

    async fn before_the_first(&self, time_us: i64) -> Error {
        let first = match (self.by_file.first(), self.by_commit.first()) {
            (Some((version, time_ms)), _) => Some((*version, *time_ms)),
            (None, Some(version)) => self.time_ms(*version).await.ok().map(|time_ms| (*version, time_ms)),
            (None, None) => None,
        };
        self.no_version_at(time_us, ": the earliest that can be read is", first)
    }

    async fn still_to_come(&self, time_us: i64) -> Error {
        let newest = match (self.by_commit.last(), self.by_file.last()) {
            (Some(version), _) => self.time_ms(*version).await.ok().map(|time_ms| (*version, time_ms)),
            (None, last) => last.copied(),
        };
        self.no_version_at(time_us, ", which is still to come; the newest is", newest)
    }

    fn no_version_at(&self, time_us: i64, relation: &str, nearest: Option<(u64, i64)>) -> Error {
        let (table, time) = (self.table, Utc(time_us));
        Error::NotFound(match nearest {
            Some((version, time_ms)) => {
                let nearest = Utc(time_ms.saturating_mul(1000));
                format!("table '{table}' has no version as of {time}{relation} version {version}, of {nearest}")
            }
            None => format!("table '{table}' has no version as of {time}, and none whose time is known"),
        })
    }
}

/// Microseconds since 1970-01-01.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970-01-01, as DuckDB writes a TIMESTAMP WITH TIME ZONE.
struct Utc(i64);

impl std::fmt::Display for Utc {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match timestamp_us_to_datetime(self.0) {
            Some(time) => write!(formatter, "{time}+00"),
            None => write!(formatter, "{} us since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests;
