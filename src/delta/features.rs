//! Which table features this server reads, and which it may append to.
//!
//! The protocol's rule is strict: a reader or writer that does not know a listed feature must stay away. A known
//! feature that a table lists but does not use asks nothing, and most tables list more than they use, so the
//! checks look at use wherever use can be seen. Source: Delta's PROTOCOL.md, "Table Features" and "Requirements
//! for Writers".

use delta_kernel::{
    actions::Protocol,
    schema::{ColumnMetadataKey, StructType},
    table_configuration::TableConfiguration,
    table_features::TableFeature,
};

use super::{change::Means, field_metadata::first_with, type_changes::check_type_changes};
use crate::engine::{ChangeKind, Error, Result};

/// The newest protocol there is: versions above it say nothing we could check.
const READER_VERSION_MAX: i32 = 3;
const WRITER_VERSION_MAX: i32 = 7;

/// Refuses a table that cannot be read right, by the feature's name.
pub(crate) fn check_read(table: &str, protocol: &Protocol) -> Result<()> {
    if protocol.min_reader_version() > READER_VERSION_MAX {
        let version = protocol.min_reader_version();
        return Err(Error::Unsupported(format!(
            "table '{table}' needs Delta reader version {version}; versions up to {READER_VERSION_MAX} are offered"
        )));
    }
    match protocol.reader_features().unwrap_or_default().iter().find(|feature| !is_readable(feature)) {
        Some(feature) => Err(Error::Unsupported(format!(
            "table '{table}' needs the table feature '{feature}', which is not offered for reading"
        ))),
        None => Ok(()),
    }
}

/// Refuses a schema in which the use of a readable feature cannot be served.
pub(crate) fn check_read_schema(table: &str, schema: &StructType) -> Result<()> {
    check_type_changes(table, schema)
}

/// Refuses an append that the table's features make unsafe, by the name of what stands in the way. Rules of rows have a
/// module of their own.
pub(crate) fn check_append(table: &str, config: &TableConfiguration) -> Result<()> {
    check_writer_version(table, config)?;
    writer_features(config.protocol()).iter().try_for_each(|feature| check_append_feature(table, config, feature))
}

/// Refuses a change of the table's definition that its features make unsafe. Identity columns ask something of rows only.
pub(crate) fn check_alter(table: &str, config: &TableConfiguration) -> Result<()> {
    check_writer_version(table, config)?;
    let features = writer_features(config.protocol());
    let mut concerned = features.iter().filter(|feature| **feature != TableFeature::IdentityColumns);
    concerned.try_for_each(|feature| match feature {
        // They name columns under keys of their own, which nothing here keeps up.
        TableFeature::Unknown(name) if is_collations(name) => refuse_if(Some(true), table, feature),
        feature => check_append_feature(table, config, feature),
    })
}

/// Refuses an UPDATE or DELETE that the table's features or properties forbid or make unsafe, by name.
pub(crate) fn check_change(table: &str, config: &TableConfiguration, kind: &ChangeKind, means: Means) -> Result<()> {
    if config.table_properties().append_only == Some(true) {
        return Err(Error::FailedPrecondition(format!(
            "table '{table}' is append-only (delta.appendOnly), so that its rows cannot be changed"
        )));
    }
    if config.table_properties().enable_row_tracking == Some(true) {
        refuse_without_ids(table, kind, means)?;
    }
    check_writer_version(table, config)?;
    writer_features(config.protocol()).iter().try_for_each(|feature| match (feature, kind) {
        // It makes no values.
        (TableFeature::IdentityColumns, ChangeKind::Delete) => Ok(()),
        (feature, _) => check_append_feature(table, config, feature),
    })
}

/// Ids of rows that are written again would have to be written beside them (PROTOCOL.md, "Row Tracking"); those of rows
/// that stay where they are stay the same.
fn refuse_without_ids(table: &str, kind: &ChangeKind, means: Means) -> Result<()> {
    match (kind, means) {
        (ChangeKind::Delete, Means::Vectors) => Ok(()),
        (ChangeKind::Delete, Means::Rewrite) => Err(Error::Unsupported(format!(
            "table '{table}' keeps the ids of its rows (delta.enableRowTracking), which writing its files again would \
             not; with deletion vectors (delta.enableDeletionVectors) its rows can be deleted"
        ))),
        (ChangeKind::Update(_), _) => Err(Error::Unsupported(format!(
            "table '{table}' keeps the ids of its rows (delta.enableRowTracking), which an UPDATE would not"
        ))),
    }
}

/// Refuses to write all rows again where the table's features forbid it or make it unsafe.
pub(crate) fn check_rewrite(table: &str, config: &TableConfiguration) -> Result<()> {
    let properties = config.table_properties();
    if properties.append_only == Some(true) {
        return Err(Error::FailedPrecondition(format!(
            "table '{table}' is append-only (delta.appendOnly), so that its rows cannot be rewritten"
        )));
    }
    if properties.enable_row_tracking == Some(true) {
        return Err(Error::Unsupported(format!(
            "table '{table}' keeps the ids of its rows (delta.enableRowTracking), which rewriting them would not"
        )));
    }
    refuse_clustered(table, config, "rewriting rows")?;
    check_append(table, config)
}

/// Refuses what must not be done to a clustering column where these are not known: the log keeps them apart from the
/// definition.
pub(crate) fn refuse_clustered(table: &str, config: &TableConfiguration, what: &str) -> Result<()> {
    let feature = TableFeature::ClusteredTable;
    if !writer_features(config.protocol()).contains(&feature) {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "table '{table}' uses the table feature '{feature}', with which {what} is not offered"
    )))
}

fn check_writer_version(table: &str, config: &TableConfiguration) -> Result<()> {
    let version = config.protocol().min_writer_version();
    if version <= WRITER_VERSION_MAX {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "table '{table}' needs Delta writer version {version}; versions up to {WRITER_VERSION_MAX} are offered"
    )))
}

/// Features whose reading is implemented, or that only concern types the schema check refuses by themselves.
fn is_readable(feature: &TableFeature) -> bool {
    matches!(
        feature,
        TableFeature::ColumnMapping
            | TableFeature::DeletionVectors
            | TableFeature::TimestampWithoutTimezone
            | TableFeature::V2Checkpoint
            // Asks something of VACUUM only.
            | TableFeature::VacuumProtocolCheck
            // Which changes there were `check_read_schema` sees.
            | TableFeature::TypeWidening
            | TableFeature::TypeWideningPreview
            // Served while unused: the schema's types show the use.
            | TableFeature::VariantType
            | TableFeature::VariantTypePreview
            | TableFeature::VariantShredding
            | TableFeature::VariantShreddingPreview
    )
}

/// The features a writer must respect; versions before 7 imply theirs.
pub(crate) fn writer_features(protocol: &Protocol) -> Vec<TableFeature> {
    const IMPLIED: [(i32, TableFeature); 7] = [
        (2, TableFeature::AppendOnly),
        (2, TableFeature::Invariants),
        (3, TableFeature::CheckConstraints),
        (4, TableFeature::ChangeDataFeed),
        (4, TableFeature::GeneratedColumns),
        (5, TableFeature::ColumnMapping),
        (6, TableFeature::IdentityColumns),
    ];
    match protocol.writer_features() {
        Some(listed) => listed.to_vec(),
        None => IMPLIED
            .into_iter()
            .filter(|(since, _)| *since <= protocol.min_writer_version())
            .map(|(_, feature)| feature)
            .collect(),
    }
}

fn check_append_feature(table: &str, config: &TableConfiguration, feature: &TableFeature) -> Result<()> {
    let properties = config.table_properties();
    match feature {
        // An append deletes nothing and needs no change files: readers derive inserts from the Add.
        TableFeature::AppendOnly | TableFeature::ChangeDataFeed => Ok(()),
        // An append touches no domain.
        TableFeature::DomainMetadata => Ok(()),
        readable if is_readable(readable) => Ok(()),
        // Followed row by row, or refused by their texts.
        TableFeature::Invariants
        | TableFeature::GeneratedColumns
        | TableFeature::CheckConstraints
        | TableFeature::AllowColumnDefaults => Ok(()),
        TableFeature::IdentityColumns => refuse_identity(table, config),
        // What they ask of a commit is added to it as it is made.
        TableFeature::InCommitTimestamp | TableFeature::RowTracking => Ok(()),
        // Asks for statistics and leaves the clustering to those who do it.
        TableFeature::ClusteredTable => Ok(()),
        TableFeature::Unknown(name) if asks_nothing_of_an_append(name) => Ok(()),
        TableFeature::IcebergCompatV1 => refuse_if(properties.enable_iceberg_compat_v1, table, feature),
        TableFeature::IcebergCompatV2 => refuse_if(properties.enable_iceberg_compat_v2, table, feature),
        TableFeature::IcebergCompatV3 => refuse_if(properties.enable_iceberg_compat_v3, table, feature),
        other => refuse_if(Some(true), table, other),
    }
}

/// Features the kernel has no name for. Collations order texts for queries; data and statistics stay those of plain
/// texts. Protected checkpoints bind those who remove checkpoints, or make them of earlier versions than the newest.
fn asks_nothing_of_an_append(feature: &str) -> bool {
    is_collations(feature) || feature == "checkpointProtection"
}

fn is_collations(feature: &str) -> bool {
    ["collations", "collations-preview"].contains(&feature)
}

fn refuse_if(in_use: Option<bool>, table: &str, feature: &TableFeature) -> Result<()> {
    if in_use != Some(true) {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "table '{table}' uses the table feature '{feature}', which is not offered for writing"
    )))
}

/// Their values come from a counter in the log.
fn refuse_identity(table: &str, config: &TableConfiguration) -> Result<()> {
    let key = ColumnMetadataKey::IdentityStart;
    match first_with(&config.logical_schema(), key.as_ref()) {
        Some((column, _)) => Err(Error::Unsupported(format!(
            "column '{column}' of table '{table}' has identity values ({}), which is not offered for writing",
            key.as_ref()
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
