//! What a log's directory holds, by the names of its files: which versions there are, and which can still be read.
//!
//! Commits behind a checkpoint are removed one day (`delta.logRetentionDuration`). A version can be read when
//! version 0 or a checkpoint leads to it, commit after commit.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

/// The files of a log that count.
#[derive(Debug, Default)]
pub(crate) struct LogListing {
    /// When each commit file was last changed, in milliseconds since 1970-01-01, by version.
    commits: BTreeMap<u64, i64>,
    checkpoints: BTreeSet<u64>,
    /// Parts seen of checkpoints in several files, by version and number of parts.
    parts: BTreeMap<(u64, u32), BTreeSet<u32>>,
}

impl LogListing {
    /// Takes note of a file in the log's directory.
    pub(crate) fn take(&mut self, name: &str, modified_ms: i64) {
        let Some((version, kind)) = parse_name(name) else { return };
        if kind == "json" {
            self.commits.insert(version, modified_ms);
        } else if let Some(form) = kind.strip_prefix("checkpoint.") {
            self.take_checkpoint(version, form);
        }
    }

    /// One file, `parquet` or `UUID.parquet` or `UUID.json`; or part `I.N.parquet` of N.
    fn take_checkpoint(&mut self, version: u64, form: &str) {
        let of_several = form.strip_suffix(".parquet").and_then(|parts| parts.split_once('.'));
        let Some((part, parts)) = of_several.and_then(|(i, n)| Some((i.parse().ok()?, n.parse::<u32>().ok()?))) else {
            self.checkpoints.insert(version);
            return;
        };
        let seen = self.parts.entry((version, parts)).or_default();
        seen.insert(part);
        if seen.len() == parts as usize {
            self.checkpoints.insert(version);
        }
    }

    /// Whether a table stands here: its commits may all have been removed behind a checkpoint.
    pub(crate) fn is_table(&self) -> bool {
        !self.commits.is_empty() || !self.checkpoints.is_empty() || !self.parts.is_empty()
    }

    /// The versions that have a commit file, ascending, and when those were last changed.
    pub(crate) fn commits(&self) -> impl DoubleEndedIterator<Item = (u64, i64)> {
        self.commits.iter().map(|(version, modified_ms)| (*version, *modified_ms))
    }

    /// The versions that can be read; `None` if there are none.
    pub(crate) fn readable(&self) -> Option<RangeInclusive<u64>> {
        let checkpoint = self.checkpoints.last().copied();
        let last = self.commits.keys().last().copied().max(checkpoint)?;
        // From here on every version has its commit.
        let mut first = last + 1;
        for version in self.commits.keys().rev() {
            if version + 1 != first {
                break;
            }
            first = *version;
        }
        if first == 0 {
            return Some(0..=last);
        }
        self.checkpoints.range(first - 1..).next().map(|checkpoint| *checkpoint..=last)
    }
}

/// Version and ending of a log file's name. Versions are signed numbers to everybody else.
pub(crate) fn parse_name(name: &str) -> Option<(u64, &str)> {
    let (version, kind) = name.split_once('.')?;
    let is_version = version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit());
    let version: i64 = version.parse().ok().filter(|_| is_version)?;
    Some((u64::try_from(version).ok()?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[(u64, &str)]) -> LogListing {
        let mut listing = LogListing::default();
        for (version, kind) in names {
            listing.take(&format!("{version:020}.{kind}"), 7);
        }
        listing
    }

    #[test]
    fn versions_are_readable_from_their_start_or_from_a_checkpoint() {
        const JSON: &str = "json";
        const CHECKPOINT: &str = "checkpoint.parquet";
        for (names, readable) in [
            (&[][..], None),
            (&[(0, JSON)], Some(0..=0)),
            (&[(0, JSON), (1, JSON), (1, CHECKPOINT)], Some(0..=1)),
            (&[(5, JSON), (6, JSON)], None),
            (&[(6, CHECKPOINT), (7, JSON), (8, JSON)], Some(6..=8)),
            (&[(5, JSON), (6, JSON), (6, CHECKPOINT), (7, JSON)], Some(6..=7)),
            (&[(2, CHECKPOINT), (4, JSON), (5, JSON), (5, CHECKPOINT)], Some(5..=5)),
            (&[(0, JSON), (2, JSON), (3, JSON), (3, CHECKPOINT)], Some(3..=3)),
            (&[(9, CHECKPOINT)], Some(9..=9)),
            (&[(3, JSON), (3, "checkpoint.0b9a.parquet"), (4, JSON)], Some(3..=4)),
            (&[(3, JSON), (3, "checkpoint.0b9a.json"), (4, JSON)], Some(3..=4)),
            (&[(3, JSON), (3, "checkpoint.0000000001.0000000002.parquet"), (4, JSON)], None),
        ] {
            assert_eq!(listing(names).readable(), readable, "{names:?}");
        }
        let parts = ["checkpoint.0000000001.0000000002.parquet", "checkpoint.0000000002.0000000002.parquet"];
        assert_eq!(listing(&[(3, parts[0]), (3, parts[1]), (4, JSON)]).readable(), Some(3..=4));
    }

    #[test]
    fn other_files_do_not_count() {
        let mut listing = LogListing::default();
        for name in [
            "_last_checkpoint",
            ".00000000000000000000.json.x.tmp",
            "1.json",
            "00000000000000000000.crc",
            "18446744073709551615.json",
        ] {
            listing.take(name, 7);
        }
        assert!(!listing.is_table());
        listing.take("00000000000000000000.00000000000000000003.compacted.json", 7);
        assert!(!listing.is_table());
    }
}
