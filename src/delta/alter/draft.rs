//! A table's definition on its way to the next one.
//!
//! Knows what Delta allows as a change of metadata alone, and nothing of rows or commits.

use std::collections::{BTreeSet, HashMap};

use arrow::datatypes::{Field, Fields};
use delta_kernel::{expressions::ColumnName, table_properties::TableProperties};
use serde_json::{Value, json};

use super::{
    columns::{Columns, PhysicalNames, metadata_mut, same_name, unmap},
    protocol::{Feature, with_features},
    references::{Reference, mentions, references},
};
use crate::{
    delta::{
        create_schema::{needs_mapping, new_column},
        definition::Definition,
        rules::{CHECK_PREFIX, check_name},
        schema::ColumnMapping,
    },
    engine::{Error, Result},
};

const MAPPING_MODE: &str = "delta.columnMapping.mode";
const MAPPING_ID_MAX: &str = "delta.columnMapping.maxColumnId";
const STATS_COLUMNS: &str = "delta.dataSkippingStatsColumns";
const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";
const DEFAULT: &str = "CURRENT_DEFAULT";
/// Spark's CHAR(n) and VARCHAR(n), which are part of a column's type.
const BOUNDED_TEXT: &str = "__CHAR_VARCHAR_TYPE_STRING";
/// How files of earlier types are to be read (PROTOCOL.md, "Type Widening").
const TYPE_CHANGES: &str = "delta.typeChanges";
/// What a change data feed adds to rows (PROTOCOL.md, "Change Data Files").
const CHANGE_COLUMNS: [&str; 3] = ["_change_type", "_commit_version", "_commit_timestamp"];

/// What is to become of a definition. Every change answers whether there was anything to do, and leaves the draft as
/// it was if not.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    table: &'a str,
    base: &'a Definition,
    columns: Columns,
    partition_columns: Vec<String>,
    properties: HashMap<String, String>,
    features: BTreeSet<Feature>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(table: &'a str, base: &'a Definition) -> Result<Self> {
        let metadata = base.metadata();
        Ok(Self {
            table,
            base,
            columns: Columns::parse(table, metadata.schema_string())?,
            partition_columns: metadata.partition_columns().to_vec(),
            properties: metadata.configuration().clone(),
            features: BTreeSet::new(),
        })
    }

    /// The definition that the draft describes.
    ///
    /// # Errors
    /// `Unsupported` if it is none that we could open ourselves.
    pub(super) fn finish(self) -> Result<Definition> {
        let broken = |error| Error::internal("cannot make a metadata action", error);
        let mut metadata = serde_json::to_value(self.base.metadata()).map_err(broken)?;
        metadata["schemaString"] = json!(self.columns.to_schema_string());
        metadata["partitionColumns"] = json!(self.partition_columns);
        metadata["configuration"] = json!(self.properties);
        let metadata = serde_json::from_value(metadata).map_err(broken)?;
        let protocol = with_features(self.base.protocol(), &self.features)?;
        self.base.changed(self.table, Some(protocol), Some(metadata))
    }

    /// A field as the log has it.
    pub(super) fn field(&self, path: &[String]) -> Result<&Value> {
        self.columns.field(path)
    }

    /// ADD COLUMN, of a column (no parent) or a field in a struct; last among its siblings.
    pub(super) fn add(&mut self, parent: &[String], field: &Field, if_not_exists: bool) -> Result<bool> {
        let dotted = dotted(parent, field.name());
        if self.columns.position(parent, field.name())?.is_some() {
            return if if_not_exists { Ok(false) } else { Err(self.taken(&dotted)) };
        }
        if !field.is_nullable() {
            let reason = format!("column '{dotted}' cannot be added as NOT NULL: the rows so far have no value for it");
            return Err(Error::InvalidArgument(reason));
        }
        if parent.is_empty() {
            self.refuse_change_column(field.name())?;
        }
        if needs_mapping(&Fields::from(vec![field.clone()])) {
            self.require_mapping()?;
        }
        let new = log_field(field)?;
        self.columns.fields_mut(parent)?.push(new);
        self.complete()?;
        Ok(true)
    }

    /// DROP COLUMN, of a column or a field in a struct. Its data stays in the files, under a name that is not used
    /// again.
    pub(super) fn drop(&mut self, path: &[String], if_exists: bool) -> Result<bool> {
        match self.columns.field(path) {
            Err(Error::NotFound(_)) if if_exists => return Ok(false),
            found => drop(found?),
        }
        let (name, parent) = split(path)?;
        self.refuse_partition_column(path, "cannot be dropped")?;
        self.base.refuse_clustered(self.table, "dropping columns")?;
        self.refuse_referenced(path, "dropped", true)?;
        let (dotted, table) = (path.join("."), self.table);
        let siblings = self.columns.fields_mut(parent)?;
        let partitioning = if parent.is_empty() { self.partition_columns.len() } else { 0 };
        if siblings.len() <= partitioning + 1 {
            let whose = if parent.is_empty() { format!("table '{table}'") } else { parent.join(".") };
            let reason = format!("column '{dotted}' cannot be dropped: it is the last one of {whose} that holds data");
            return Err(Error::InvalidArgument(reason));
        }
        self.require_mapping()?;
        if let Some(at) = self.columns.position(parent, name)? {
            self.columns.fields_mut(parent)?.remove(at);
        }
        self.rename_stats_column(path, None);
        Ok(true)
    }

    /// RENAME COLUMN, of a column or a field in a struct.
    pub(super) fn rename(&mut self, path: &[String], new_name: &str) -> Result<bool> {
        let old_name = self.columns.field(path)?["name"].as_str().unwrap_or_default().to_owned();
        if old_name == new_name {
            return Ok(false);
        }
        if new_name.is_empty() {
            return Err(Error::InvalidArgument(format!("column '{}' cannot get an empty name", path.join("."))));
        }
        let (_, parent) = split(path)?;
        if !same_name(&old_name, new_name) && self.columns.position(parent, new_name)?.is_some() {
            return Err(self.taken(&dotted(parent, new_name)));
        }
        self.refuse_referenced(path, "renamed", false)?;
        if parent.is_empty() {
            self.refuse_change_column(new_name)?;
        }
        self.require_mapping()?;
        self.columns.field_mut(path)?["name"] = json!(new_name);
        if parent.is_empty() {
            for column in self.partition_columns.iter_mut().filter(|column| **column == old_name) {
                new_name.clone_into(column);
            }
        }
        self.rename_stats_column(path, Some(new_name));
        Ok(true)
    }

    /// SET and DROP NOT NULL.
    pub(super) fn set_nullable(&mut self, column: &str, nullable: bool) -> Result<bool> {
        let field = self.columns.field_mut(&[column.to_owned()])?;
        let changes = field["nullable"] != json!(nullable);
        field["nullable"] = json!(nullable);
        Ok(changes)
    }

    /// SET DEFAULT, as SQL that Spark understands; `None` removes it.
    pub(super) fn set_default(&mut self, column: &str, sql: Option<&str>) -> Result<bool> {
        let metadata = metadata_mut(self.columns.field_mut(&[column.to_owned()])?);
        let before = match sql {
            Some(sql) => metadata.insert(DEFAULT.to_owned(), json!(sql)),
            None => metadata.remove(DEFAULT),
        };
        if sql.is_some() {
            self.features.insert(Feature::ColumnDefaults);
        }
        Ok(before.as_ref().and_then(Value::as_str) != sql)
    }

    /// ADD CHECK, as SQL that Spark understands, under the next free of the names `check_1`, `check_2`, ...; the name.
    pub(super) fn add_check(&mut self, sql: &str) -> String {
        let name = check_name(&self.properties);
        self.properties.insert(format!("{CHECK_PREFIX}{name}"), sql.to_owned());
        self.features.insert(Feature::CheckConstraints);
        name
    }

    /// ALTER COLUMN ... TYPE, for a column that was `old` on the seam. If its values change, all files are written
    /// again along with it; if not, both types are kept alike.
    pub(super) fn change_type(&mut self, old: &Field, new: &Field, values_change: bool) -> Result<bool> {
        let path = [old.name().clone()];
        if values_change {
            self.refuse_referenced(&path, "given another type", false)?;
            if new.data_type().is_nested() {
                self.refuse_partition_column(&path, "cannot get a nested type")?;
            }
            if needs_mapping(&Fields::from(vec![new.clone()])) {
                self.require_mapping()?;
            }
        }
        let (marks, mut typed) = (log_field(old)?, log_field(new)?);
        unmap(&mut typed);
        let field = self.columns.field_mut(&path)?;
        let before = field.clone();
        if values_change {
            field["type"] = typed["type"].take();
        }
        let metadata = metadata_mut(field);
        let outdated = |key: &str| key == BOUNDED_TEXT || (values_change && key == TYPE_CHANGES);
        metadata.retain(|key, _| !outdated(key) && marks["metadata"].get(key).is_none());
        if let Some(new_marks) = typed["metadata"].as_object() {
            metadata.extend(new_marks.clone());
        }
        let changes = values_change || *field != before;
        self.complete()?;
        Ok(changes)
    }

    /// A field's own default, as the log has it.
    pub(super) fn default_of(&self, column: &str) -> Result<Option<&str>> {
        Ok(self.field(&[column.to_owned()])?["metadata"][DEFAULT].as_str())
    }

    /// Gives new fields their ids and names, and the protocol what their types need.
    fn complete(&mut self) -> Result<()> {
        if self.is_mapped() {
            let mut id_max = self.id_max()?;
            self.columns.map(&mut id_max, PhysicalNames::Fresh);
            self.properties.insert(MAPPING_ID_MAX.to_owned(), id_max.to_string());
        }
        if has_type(self.columns.root(), "timestamp_ntz") {
            self.features.insert(Feature::TimestampNtz);
        }
        Ok(())
    }

    /// Column mapping by name: a table without it is upgraded, its files keep the names they have.
    fn require_mapping(&mut self) -> Result<()> {
        if self.is_mapped() {
            return Ok(());
        }
        let mut id_max = self.id_max()?;
        self.columns.map(&mut id_max, PhysicalNames::Logical);
        self.properties.insert(MAPPING_MODE.to_owned(), "name".to_owned());
        self.properties.insert(MAPPING_ID_MAX.to_owned(), id_max.to_string());
        self.features.insert(Feature::ColumnMapping);
        Ok(())
    }

    fn is_mapped(&self) -> bool {
        self.base.schema().mapping != ColumnMapping::None || self.features.contains(&Feature::ColumnMapping)
    }

    /// The highest column id that was ever given.
    fn id_max(&self) -> Result<i64> {
        let noted = match self.properties.get(MAPPING_ID_MAX) {
            None => 0,
            Some(noted) => noted.parse().map_err(|error| {
                Error::internal(format!("property {MAPPING_ID_MAX} of table '{}' is no number", self.table), error)
            })?,
        };
        Ok(self.columns.id_max().max(noted))
    }

    fn refuse_partition_column(&self, path: &[String], what: &str) -> Result<()> {
        let [column] = path else { return Ok(()) };
        if !self.partition_columns.iter().any(|partition| same_name(partition, column)) {
            return Ok(());
        }
        let reason = format!("column '{column}' {what}: table '{}' is partitioned by it", self.table);
        Err(Error::InvalidArgument(reason))
    }

    /// `own_ends`: what a column itself carries ends with it.
    fn refuse_referenced(&self, path: &[String], what: &str, own_ends: bool) -> Result<()> {
        let ends = |holder: &[String]| {
            own_ends && holder.len() >= path.len() && holder.iter().zip(path).all(|(a, b)| same_name(a, b))
        };
        for Reference { who, sql, holder } in references(&self.columns, &self.properties) {
            if mentions(&sql, path) && !holder.is_some_and(|holder| ends(&holder)) {
                let column = path.join(".");
                let reason = format!("column '{column}' of table '{}' cannot be {what}: {who} uses it", self.table);
                return Err(Error::InvalidArgument(reason));
            }
        }
        Ok(())
    }

    fn refuse_change_column(&self, name: &str) -> Result<()> {
        let enabled = self.properties.get(CHANGE_DATA_FEED).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !enabled || !CHANGE_COLUMNS.iter().any(|reserved| same_name(reserved, name)) {
            return Ok(());
        }
        let reason = format!("column name '{name}' is taken by the change data feed of table '{}'", self.table);
        Err(Error::InvalidArgument(reason))
    }

    /// Keeps `delta.dataSkippingStatsColumns` in step: it names columns as users do.
    fn rename_stats_column(&mut self, path: &[String], new_name: Option<&str>) {
        let Some(columns) = TableProperties::from(self.properties.iter()).data_skipping_stats_columns else { return };
        let renamed = |column: ColumnName| {
            let mut steps = column.into_inner();
            let concerns = steps.len() >= path.len() && steps.iter().zip(path).all(|(a, b)| same_name(a, b));
            match new_name {
                None if concerns => return None,
                Some(new_name) if concerns => new_name.clone_into(&mut steps[path.len() - 1]),
                _ => {}
            }
            Some(ColumnName::new(steps).to_string())
        };
        let columns: Vec<_> = columns.into_iter().filter_map(renamed).collect();
        if columns.is_empty() {
            self.properties.remove(STATS_COLUMNS);
        } else {
            self.properties.insert(STATS_COLUMNS.to_owned(), columns.join(","));
        }
    }

    fn taken(&self, column: &str) -> Error {
        Error::AlreadyExists(format!("table '{}' already has a column '{column}'", self.table))
    }
}

fn dotted(parent: &[String], name: &str) -> String {
    parent.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
}

fn split(path: &[String]) -> Result<(&String, &[String])> {
    path.split_last().ok_or_else(|| Error::InvalidArgument("no column is named".to_owned()))
}

/// A column of the seam as the log spells it.
fn log_field(field: &Field) -> Result<Value> {
    serde_json::to_value(new_column(field)?).map_err(|error| Error::internal("cannot make a column's schema", error))
}

fn has_type(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(members) => {
            members.iter().any(|(key, value)| key != "metadata" && key != "name" && has_type(value, name))
        }
        Value::Array(items) => items.iter().any(|item| has_type(item, name)),
        other => other.as_str() == Some(name),
    }
}

#[cfg(test)]
mod tests;
