//! Which protocol a table needs for a feature it begins to use (PROTOCOL.md, "Protocol Evolution" and "Table Features").

use std::collections::BTreeSet;

use delta_kernel::actions::Protocol;
use serde_json::{Value, json};

use crate::{
    delta::features::writer_features,
    engine::{Error, Result},
};

/// The versions that list their features.
const READER_FEATURES: i32 = 3;
const WRITER_FEATURES: i32 = 7;

/// A feature that a change of a definition may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Feature {
    ColumnMapping,
    TimestampNtz,
    CheckConstraints,
    ColumnDefaults,
}

impl Feature {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ColumnMapping => COLUMN_MAPPING,
            Self::TimestampNtz => "timestampNtz",
            Self::CheckConstraints => "checkConstraints",
            Self::ColumnDefaults => "allowColumnDefaults",
        }
    }

    /// The first reader and writer versions without lists that have it; `None` if only lists do.
    const fn versions(self) -> Option<(i32, i32)> {
        match self {
            Self::ColumnMapping => Some((2, 5)),
            Self::CheckConstraints => Some((1, 3)),
            Self::TimestampNtz | Self::ColumnDefaults => None,
        }
    }

    /// Whether readers must know it too.
    const fn is_for_readers(self) -> bool {
        matches!(self, Self::ColumnMapping | Self::TimestampNtz)
    }
}

const COLUMN_MAPPING: &str = "columnMapping";

/// The protocol with these features, otherwise asking for as little as it may: what the old versions implied stays.
pub(super) fn with_features(protocol: &Protocol, wanted: &BTreeSet<Feature>) -> Result<Protocol> {
    if wanted.is_empty() {
        return Ok(protocol.clone());
    }
    let (reader, writer) = (protocol.min_reader_version(), protocol.min_writer_version());
    let versions: Option<Vec<_>> = wanted.iter().map(|feature| feature.versions()).collect();
    let changed = match versions {
        Some(versions) if writer < WRITER_FEATURES => {
            let raised = versions.iter().fold((reader, writer), |most, next| (most.0.max(next.0), most.1.max(next.1)));
            json!({ "minReaderVersion": raised.0, "minWriterVersion": raised.1 })
        }
        _ => listed(protocol, wanted),
    };
    serde_json::from_value(changed).map_err(|error| Error::internal("cannot make a protocol action", error))
}

/// The protocol with its features listed. Readers keep their version if nothing new concerns them.
fn listed(protocol: &Protocol, wanted: &BTreeSet<Feature>) -> Value {
    let reader = protocol.min_reader_version();
    let mut for_writers: Vec<String> = writer_features(protocol).iter().map(ToString::to_string).collect();
    let mut for_readers: Vec<String> =
        protocol.reader_features().unwrap_or_default().iter().map(ToString::to_string).collect();
    match reader {
        // A writer's version may have implied it, the reader's says that it was never used.
        1 => for_writers.retain(|feature| feature != COLUMN_MAPPING),
        2 => for_readers.push(COLUMN_MAPPING.to_owned()),
        _ => {}
    }
    let mut concerns_readers = false;
    for feature in wanted {
        add(&mut for_writers, feature.name());
        if feature.is_for_readers() {
            concerns_readers |= add(&mut for_readers, feature.name());
        }
    }
    if reader < READER_FEATURES && !concerns_readers {
        return json!({
            "minReaderVersion": reader, "minWriterVersion": WRITER_FEATURES, "writerFeatures": for_writers,
        });
    }
    json!({
        "minReaderVersion": READER_FEATURES, "minWriterVersion": WRITER_FEATURES,
        "readerFeatures": for_readers, "writerFeatures": for_writers,
    })
}

/// Whether it was missing.
fn add(features: &mut Vec<String>, name: &str) -> bool {
    let missing = !features.iter().any(|feature| feature == name);
    if missing {
        features.push(name.to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgraded(protocol: Value, wanted: &[Feature]) -> Value {
        let protocol = serde_json::from_value(protocol).unwrap();
        let upgraded = with_features(&protocol, &wanted.iter().copied().collect()).unwrap();
        serde_json::to_value(upgraded).unwrap()
    }

    fn legacy(reader: i32, writer: i32) -> Value {
        json!({ "minReaderVersion": reader, "minWriterVersion": writer })
    }

    fn lists(reader: &[&str], writer: &[&str]) -> Value {
        json!({ "minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": reader, "writerFeatures": writer })
    }

    #[test]
    fn old_versions_are_raised_where_they_can_say_it() {
        use Feature::{CheckConstraints, ColumnMapping};
        assert_eq!(upgraded(legacy(1, 2), &[ColumnMapping]), legacy(2, 5));
        assert_eq!(upgraded(legacy(1, 6), &[ColumnMapping]), legacy(2, 6));
        assert_eq!(upgraded(legacy(1, 2), &[CheckConstraints]), legacy(1, 3));
        assert_eq!(upgraded(legacy(2, 5), &[CheckConstraints]), legacy(2, 5));
        assert_eq!(upgraded(legacy(1, 1), &[]), legacy(1, 1));
    }

    #[test]
    fn what_old_versions_implied_is_listed() {
        use Feature::{ColumnDefaults, ColumnMapping, TimestampNtz};
        let implied = ["appendOnly", "invariants"];
        let defaults = json!({ "minReaderVersion": 1, "minWriterVersion": 7,
            "writerFeatures": ["appendOnly", "invariants", "allowColumnDefaults"] });
        assert_eq!(upgraded(legacy(1, 2), &[ColumnDefaults]), defaults);
        assert_eq!(
            upgraded(legacy(1, 2), &[TimestampNtz]),
            lists(&["timestampNtz"], &[&implied[..], &["timestampNtz"]].concat())
        );
        let five = ["appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns"];
        assert_eq!(
            upgraded(legacy(2, 5), &[TimestampNtz]),
            lists(&["columnMapping", "timestampNtz"], &[&five[..], &["columnMapping", "timestampNtz"]].concat())
        );
        let all = [&five[..], &["columnMapping", "allowColumnDefaults"]].concat();
        let mapped = json!({ "minReaderVersion": 2, "minWriterVersion": 7, "writerFeatures": all });
        assert_eq!(upgraded(legacy(2, 5), &[ColumnDefaults]), mapped);
        let writer_only = json!({ "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["appendOnly"] });
        assert_eq!(
            upgraded(writer_only, &[ColumnMapping]),
            lists(&["columnMapping"], &["appendOnly", "columnMapping"])
        );
    }

    #[test]
    fn lists_keep_what_they_have() {
        let two = json!({ "minReaderVersion": 2, "minWriterVersion": 7, "writerFeatures": ["columnMapping"] });
        assert_eq!(upgraded(two.clone(), &[Feature::ColumnMapping]), two);
        let had = lists(&["deletionVectors"], &["deletionVectors", "somethingNew"]);
        assert_eq!(upgraded(had.clone(), &[]), had);
        assert_eq!(
            upgraded(had, &[Feature::ColumnDefaults, Feature::ColumnMapping]),
            lists(
                &["deletionVectors", "columnMapping"],
                &["deletionVectors", "somethingNew", "columnMapping", "allowColumnDefaults"]
            )
        );
    }
}
