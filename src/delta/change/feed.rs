//! The change data feed: every changed row as it was and as it is, in files under `_change_data`
//! (PROTOCOL.md, "Change Data Files" and "Add CDC File").

use std::{iter, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
};

use crate::{
    delta::{
        schema::TableSchema,
        snapshot::DeltaSnapshot,
        write::{FileNaming, Stage, StageTarget, Staged, StatsColumns},
    },
    engine::{Error, Result},
};

/// The column of change files that says what became of a row.
const CHANGE_TYPE: &str = "_change_type";

/// Columns that a reader of the feed adds to the table's.
const RESERVED: [&str; 3] = [CHANGE_TYPE, "_commit_version", "_commit_timestamp"];

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeType {
    Insert,
    Delete,
    UpdatePreimage,
    UpdatePostimage,
}

impl ChangeType {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::UpdatePreimage => "update_preimage",
            Self::UpdatePostimage => "update_postimage",
        }
    }
}

/// The changes of one statement. Dropping it removes its files in the background.
pub(crate) struct Feed {
    stage: Stage,
    change_type: FieldRef,
}

impl Feed {
    /// `None` unless the table keeps a change data feed (`delta.enableChangeDataFeed`).
    ///
    /// # Errors
    /// `FailedPrecondition` if a column of the table has a name that the feed's readers give to another.
    pub(crate) fn begin(base: &DeltaSnapshot) -> Result<Option<Self>> {
        let definition = base.definition();
        Self::check(base)?;
        if !definition.keeps_change_data_feed() {
            return Ok(None);
        }
        let change_type = Arc::new(Field::new(CHANGE_TYPE, DataType::Utf8, false));
        let target = base.table().stage_target(definition);
        let schema = Arc::new(with_column(&target.schema, &change_type));
        let (stats_columns, naming) = (StatsColumns::NONE, FileNaming::CHANGES);
        let stage = Stage::begin(StageTarget { schema, stats_columns, naming, ..target })?;
        Ok(Some(Self { stage, change_type }))
    }

    /// What [`Self::begin`] refuses.
    pub(crate) fn check(base: &DeltaSnapshot) -> Result<()> {
        match base.definition().keeps_change_data_feed() {
            true => refuse_reserved(base.table().store().name(), base.definition().schema()),
            false => Ok(()),
        }
    }

    /// Takes rows of all columns of the table, in the seam's types.
    pub(crate) async fn write(&mut self, rows: &RecordBatch, change: ChangeType) -> Result<()> {
        let change_types = StringArray::from_iter_values(iter::repeat_n(change.name(), rows.num_rows()));
        let fields = rows.schema_ref().fields().iter().chain([&self.change_type]).cloned();
        let columns = rows.columns().iter().cloned().chain([Arc::new(change_types) as ArrayRef]);
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.collect())
            .map_err(|e| Error::internal("telling what became of rows", e))?;
        self.stage.write(&rows).await
    }

    /// Makes durable files.
    pub(crate) async fn finish(self) -> Result<Staged> {
        self.stage.finish().await
    }

    /// Gives up and waits until everything staged has been removed.
    pub(crate) async fn abort(self) {
        self.stage.abort().await;
    }
}

/// A column's own name clashes for whoever reads the feed, its name in files for whoever reads those.
fn refuse_reserved(table: &str, schema: &TableSchema) -> Result<()> {
    let fields = schema.logical.fields().iter().chain(schema.physical.fields());
    let reserved = |name: &str| RESERVED.into_iter().find(|reserved| reserved.eq_ignore_ascii_case(name));
    match fields.filter_map(|field| reserved(field.name())).next() {
        Some(name) => Err(Error::FailedPrecondition(format!(
            "table '{table}' keeps a change data feed (delta.enableChangeDataFeed), which needs the name '{name}' for \
             itself, and a column of the table has it"
        ))),
        None => Ok(()),
    }
}

/// The table's columns and one more; under column mapping it has no id, and is found by name.
fn with_column(schema: &TableSchema, column: &FieldRef) -> TableSchema {
    let more = |schema: &SchemaRef| {
        let fields = schema.fields().iter().chain([column]).cloned();
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    TableSchema {
        logical: more(&schema.logical),
        stored: more(&schema.stored),
        physical: more(&schema.physical),
        partition_columns: schema.partition_columns.clone(),
        mapping: schema.mapping,
    }
}

#[cfg(test)]
mod tests;
