//! What a table is at a version, files aside: its protocol, its metadata and what follows from them.

use std::sync::Arc;

use delta_kernel::{
    actions::{Metadata, Protocol},
    expressions::ColumnName,
    table_configuration::TableConfiguration,
    table_features::{TableFeature, get_any_level_column_physical_name},
    table_properties::DataSkippingNumIndexedCols,
};

use super::{
    change::Means,
    features,
    rules::{self, Rules},
    schema::{TableSchema, check_types},
    store::kernel_root,
    write::StatsColumns,
};
use crate::{
    engine::{ChangeKind, ColumnNotes, Error, Result},
    merge::ColumnDefault,
};

/// Commits between checkpoints unless the table says otherwise (`delta.checkpointInterval`). Spark's default is
/// 10, delta-rs's 100; checkpoints of many-file tables cost more than reading a hundred small commits.
const CHECKPOINT_INTERVAL_DEFAULT: u64 = 100;

/// A checkpoint lists all files, some ten microseconds each, where reading a small commit takes some hundred in all. So
/// the default interval grows with the files, or the checkpoints of a table of very many would cost more than its
/// commits do.
const CHECKPOINT_FILES_PER_COMMIT: u64 = 100;

/// No default interval is longer: whoever opens the table reads so many commits.
const CHECKPOINT_INTERVAL_DEFAULT_MAX: u64 = 1000;

/// The first version whose commit says its own time, and that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InCommitTimestamps {
    pub(crate) version: u64,
    pub(crate) time_ms: i64,
}

/// A readable table's protocol and metadata.
#[derive(Debug)]
pub(crate) struct Definition {
    config: TableConfiguration,
    schema: Arc<TableSchema>,
}

impl Definition {
    /// # Errors
    /// `Unsupported` if the table needs something that is not offered, by its name.
    pub(crate) fn try_new(table: &str, protocol: Protocol, metadata: Metadata) -> Result<Self> {
        features::check_read(table, &protocol)?;
        if metadata.format_provider() != "parquet" {
            let provider = metadata.format_provider();
            return Err(Error::Unsupported(format!(
                "table '{table}' keeps its data as {provider}; parquet is offered"
            )));
        }
        check_types(table, metadata.schema_string())?;
        // The root and the version play no part in what is asked of it here.
        let config = TableConfiguration::try_new(metadata, protocol, kernel_root(), 0)
            .map_err(|error| Error::internal(format!("the log of table '{table}' describes no valid table"), error))?;
        features::check_read_schema(table, &config.logical_schema())?;
        let schema = Arc::new(TableSchema::try_new(&config)?);
        Ok(Self { config, schema })
    }

    /// The definition after a commit that changes protocol or metadata.
    pub(crate) fn changed(&self, table: &str, protocol: Option<Protocol>, metadata: Option<Metadata>) -> Result<Self> {
        let protocol = protocol.unwrap_or_else(|| self.protocol().clone());
        Self::try_new(table, protocol, metadata.unwrap_or_else(|| self.metadata().clone()))
    }

    pub(crate) fn protocol(&self) -> &Protocol {
        self.config.protocol()
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        self.config.metadata()
    }

    pub(crate) fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    /// Refuses an append that the table's features make unsafe, or that would miss defaults.
    pub(crate) fn check_append(&self, table: &str) -> Result<()> {
        self.check_new_rows(table)?;
        rules::check_defaults(table, &self.config, &self.schema.logical)
    }

    /// Refuses new rows that the table's features make unsafe. Their makers know the defaults, or have refused.
    pub(crate) fn check_new_rows(&self, table: &str) -> Result<()> {
        features::check_append(table, &self.config)
    }

    /// Refuses an UPDATE or DELETE that the table's features or properties forbid or make unsafe, by name.
    pub(crate) fn check_change(&self, table: &str, kind: &ChangeKind, means: Means) -> Result<()> {
        features::check_change(table, &self.config, kind, means)
    }

    /// Refuses to write all rows again where the table's features forbid it or make it unsafe.
    pub(crate) fn check_rewrite(&self, table: &str) -> Result<()> {
        features::check_rewrite(table, &self.config)
    }

    /// Whether the table wants its rows deleted by deletion vectors.
    pub(crate) fn wants_deletion_vectors(&self) -> bool {
        features::writer_features(self.protocol()).contains(&TableFeature::DeletionVectors)
            && self.config.table_properties().enable_deletion_vectors == Some(true)
    }

    /// What every row must satisfy.
    ///
    /// # Errors
    /// `Unsupported`, by name, if a rule cannot be followed.
    pub(crate) fn rules(&self, table: &str) -> Result<Rules> {
        Rules::try_new(table, &self.config, &self.schema)
    }

    /// What is noted of each column.
    pub(crate) fn notes(&self) -> Vec<ColumnNotes> {
        rules::column_notes(&self.config, &self.schema.logical)
    }

    /// What each column is where a statement of the server's own leaves it out, at a moment in microseconds since 1970.
    pub(crate) fn defaults(&self, now_us: i64) -> Vec<ColumnDefault> {
        rules::default_values(&self.config, &self.schema.logical, now_us)
    }

    /// From when on commits say their own times; `None` if they do not. Without the properties that say when that
    /// began it was with version 0 (PROTOCOL.md, "In-Commit Timestamps").
    pub(crate) fn in_commit_timestamps(&self) -> Option<InCommitTimestamps> {
        let property = |name: &str| self.metadata().configuration().get(&format!("delta.{name}"));
        if property("enableInCommitTimestamps")? != "true" {
            return None;
        }
        let version = property("inCommitTimestampEnablementVersion").and_then(|version| version.parse().ok());
        let time_ms = property("inCommitTimestampEnablementTimestamp").and_then(|time| time.parse().ok());
        Some(InCommitTimestamps { version: version.unwrap_or(0), time_ms: time_ms.unwrap_or(i64::MIN) })
    }

    /// Whether every UPDATE and DELETE also writes what it changes.
    pub(crate) fn keeps_change_data_feed(&self) -> bool {
        // Without the feature the property binds nobody (PROTOCOL.md, "Writer Requirements for AddCDCFile").
        self.has_feature(&TableFeature::ChangeDataFeed)
            && self.config.table_properties().enable_change_data_feed == Some(true)
    }

    fn has_feature(&self, feature: &TableFeature) -> bool {
        features::writer_features(self.protocol()).contains(feature)
    }

    /// Whether every commit says its own time.
    pub(crate) fn keeps_in_commit_timestamps(&self) -> bool {
        self.config.table_properties().enable_in_commit_timestamps == Some(true)
    }

    /// Whether every new file gets ids for its rows: that the feature is supported is enough.
    pub(crate) fn assigns_row_ids(&self) -> bool {
        features::writer_features(self.protocol()).contains(&TableFeature::RowTracking)
            && self.config.table_properties().row_tracking_suspended != Some(true)
    }

    /// Whether every row has an id, which a commit says it has kept.
    pub(crate) fn keeps_row_ids(&self) -> bool {
        self.assigns_row_ids() && self.config.table_properties().enable_row_tracking == Some(true)
    }

    /// Refuses what must not be done to a clustering column.
    pub(crate) fn refuse_clustered(&self, table: &str, what: &str) -> Result<()> {
        features::refuse_clustered(table, &self.config, what)
    }

    /// Refuses a change of the definition that the table's features make unsafe.
    pub(crate) fn check_alter(&self, table: &str) -> Result<()> {
        features::check_alter(table, &self.config)
    }

    /// Commits between checkpoints of a table of so many files.
    pub(crate) fn checkpoint_interval(&self, files: usize) -> u64 {
        let for_files = (files as u64 / CHECKPOINT_FILES_PER_COMMIT).next_multiple_of(CHECKPOINT_INTERVAL_DEFAULT);
        let default = for_files.clamp(CHECKPOINT_INTERVAL_DEFAULT, CHECKPOINT_INTERVAL_DEFAULT_MAX);
        self.config.table_properties().checkpoint_interval.map_or(default, std::num::NonZero::get)
    }

    /// Which columns get statistics.
    pub(crate) fn stats_columns(&self) -> StatsColumns {
        // Clustering columns must have them, wherever they stand (PROTOCOL.md, "Clustered Table").
        if features::writer_features(self.protocol()).contains(&TableFeature::ClusteredTable) {
            return StatsColumns { indexed_columns_max: None, named: None };
        }
        let properties = self.config.table_properties();
        let indexed_columns_max = match properties.data_skipping_num_indexed_cols.unwrap_or_default() {
            DataSkippingNumIndexedCols::AllColumns => None,
            DataSkippingNumIndexedCols::NumColumns(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
        };
        let named = properties.data_skipping_stats_columns.as_ref();
        let named = named.map(|columns| columns.iter().filter_map(|column| self.physical_name(column)).collect());
        StatsColumns { indexed_columns_max, named }
    }

    /// `None` if there is no such column: the property is not checked when it is set.
    fn physical_name(&self, column: &ColumnName) -> Option<String> {
        let (schema, mode) = (self.config.logical_schema(), self.config.column_mapping_mode());
        let physical = get_any_level_column_physical_name(&schema, column, mode).ok()?;
        Some(physical.path().join("."))
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.protocol() == other.protocol() && self.metadata() == other.metadata()
    }
}
