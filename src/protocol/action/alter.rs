//! ALTER TABLE: one action for each kind, all answered with the table's new FlightInfo.
//!
//! The structs are those of `include/storage/airport_alter_parameters.hpp`; names of tables and columns come as the
//! user spelled them, in any case.

use std::fmt;

use arrow::datatypes::Field;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use crate::protocol::{DecodeError, ipc, msgpack};

/// One ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// The name given to ATTACH.
    pub catalog_name: String,
    /// The table's schema.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// IF EXISTS. The client calls for tables it knows only.
    pub ignore_not_found: bool,
    /// What becomes of it.
    pub change: TableChange,
}

/// What ALTER TABLE does. Paths lead from a column to a field nested in it; columns are as DuckDB's Arrow has them.
#[derive(Debug, Clone, PartialEq)]
pub enum TableChange {
    /// RENAME TO
    RenameTable {
        /// The new name.
        new_name: String,
    },
    /// ADD COLUMN. A DEFAULT does not come along.
    AddColumn {
        /// The new column.
        column: Field,
        /// IF NOT EXISTS
        if_not_exists: bool,
    },
    /// ADD COLUMN of a field in a struct.
    AddField {
        /// The struct.
        parent: Vec<String>,
        /// The new field. DuckDB 1.5's client calls it after the column it is added to.
        field: Field,
        /// IF NOT EXISTS
        if_not_exists: bool,
    },
    /// DROP COLUMN, also of a field in a struct. CASCADE is not looked at: nothing depends on a column but what the
    /// table itself keeps, and that refuses.
    DropColumn {
        /// The column or field.
        path: Vec<String>,
        /// IF EXISTS
        if_exists: bool,
    },
    /// RENAME COLUMN, also of a field in a struct.
    RenameColumn {
        /// The column or field.
        path: Vec<String>,
        /// The new name.
        new_name: String,
    },
    /// ALTER COLUMN ... TYPE
    ChangeType {
        /// The column's name and new type.
        column: Field,
        /// USING, or a plain cast of the column.
        using: String,
    },
    /// SET DEFAULT
    SetDefault {
        /// The column.
        column: String,
        /// The default, as SQL.
        expression: String,
    },
    /// SET NOT NULL
    SetNotNull {
        /// The column.
        column: String,
    },
    /// DROP NOT NULL
    DropNotNull {
        /// The column.
        column: String,
    },
    /// ADD CONSTRAINT, as `Constraint::ToString` prints it. DuckDB 1.5 itself refuses every kind of it.
    AddConstraint {
        /// `CHECK((a > 0))`, `PRIMARY KEY(a)`, `UNIQUE(a)`
        constraint: String,
    },
}

impl AlterTable {
    /// Decodes an action's body; `None` if the action is none of these.
    pub(super) fn decode(action: &str, body: &[u8]) -> Option<Result<Self, DecodeError>> {
        let (what, read): (_, Read) = match action {
            "rename_table" => ("rename_table request", rename_table),
            "add_column" => ("add_column request", add_column),
            "add_field" => ("add_field request", add_field),
            "remove_column" => ("remove_column request", remove_column),
            "remove_field" => ("remove_field request", remove_field),
            "rename_column" => ("rename_column request", rename_column),
            "rename_field" => ("rename_field request", rename_field),
            "change_column_type" => ("change_column_type request", change_type),
            "set_default" => ("set_default request", set_default),
            "set_not_null" => ("set_not_null request", set_not_null),
            "drop_not_null" => ("drop_not_null request", drop_not_null),
            "add_constraint" => ("add_constraint request", add_constraint),
            _ => return None,
        };
        Some(Self::read(what, body, read))
    }

    fn read(what: &'static str, body: &[u8], read: Read) -> Result<Self, DecodeError> {
        let mut wire: Wire = msgpack::decode(what, body)?;
        let catalog_name = needed(what, "catalog", wire.catalog.take())?;
        let schema_name = needed(what, "schema", wire.schema.take())?;
        let table_name = needed(what, "name", wire.name.take())?;
        let ignore_not_found = wire.ignore_not_found;
        Ok(Self { catalog_name, schema_name, table_name, ignore_not_found, change: read(what, wire)? })
    }
}

/// What makes a change of an action's keys.
type Read = fn(&'static str, Wire) -> Result<TableChange, DecodeError>;

fn rename_table(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    Ok(TableChange::RenameTable { new_name: needed(what, "new_table_name", wire.new_table_name)? })
}

fn add_column(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let if_not_exists = wire.if_column_not_exists;
    Ok(TableChange::AddColumn { column: column(what, wire.column_schema)?, if_not_exists })
}

fn add_field(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let if_not_exists = wire.if_field_not_exists;
    let field = column(what, wire.column_schema)?;
    Ok(TableChange::AddField { parent: path(what, wire.column_path)?, field, if_not_exists })
}

fn remove_column(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let column = needed(what, "removed_column", wire.removed_column)?;
    Ok(TableChange::DropColumn { path: vec![column], if_exists: wire.if_column_exists })
}

fn remove_field(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    Ok(TableChange::DropColumn { path: path(what, wire.column_path)?, if_exists: wire.if_column_exists })
}

fn rename_column(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let column = needed(what, "old_name", wire.old_name)?;
    Ok(TableChange::RenameColumn { path: vec![column], new_name: needed(what, "new_name", wire.new_name)? })
}

fn rename_field(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let path = path(what, wire.column_path)?;
    Ok(TableChange::RenameColumn { path, new_name: needed(what, "new_name", wire.new_name)? })
}

fn change_type(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let column = column(what, wire.column_schema)?;
    Ok(TableChange::ChangeType { column, using: needed(what, "expression", wire.expression)? })
}

fn set_default(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    let column = needed(what, "column_name", wire.column_name)?;
    Ok(TableChange::SetDefault { column, expression: needed(what, "expression", wire.expression)? })
}

fn set_not_null(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    Ok(TableChange::SetNotNull { column: needed(what, "column_name", wire.column_name)? })
}

fn drop_not_null(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    Ok(TableChange::DropNotNull { column: needed(what, "column_name", wire.column_name)? })
}

fn add_constraint(what: &'static str, wire: Wire) -> Result<TableChange, DecodeError> {
    Ok(TableChange::AddConstraint { constraint: needed(what, "constraint", wire.constraint)? })
}

fn needed<T>(what: &'static str, key: &str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or_else(|| DecodeError::new(what, format!("missing field `{key}`")))
}

fn path(what: &'static str, path: Option<Vec<String>>) -> Result<Vec<String>, DecodeError> {
    match needed(what, "column_path", path)? {
        path if path.is_empty() => Err(DecodeError::new(what, "column_path is empty")),
        path => Ok(path),
    }
}

/// The one column in `column_schema`.
fn column(what: &'static str, schema: Option<Vec<u8>>) -> Result<Field, DecodeError> {
    let schema = ipc::decode_schema(what, &needed(what, "column_schema", schema)?)?;
    match schema.fields().as_ref() {
        [column] => Ok(column.as_ref().clone()),
        columns => Err(DecodeError::new(what, format!("column_schema has {} columns instead of 1", columns.len()))),
    }
}

/// The keys of all these actions. Each has only its own; a struct of its own would not do, as `set_not_null` packs
/// `ignore_not_found` twice, which derived decoders refuse.
#[derive(Default)]
struct Wire {
    catalog: Option<String>,
    schema: Option<String>,
    name: Option<String>,
    ignore_not_found: bool,
    new_table_name: Option<String>,
    old_name: Option<String>,
    new_name: Option<String>,
    removed_column: Option<String>,
    column_name: Option<String>,
    column_path: Option<Vec<String>>,
    column_schema: Option<Vec<u8>>,
    expression: Option<String>,
    constraint: Option<String>,
    if_column_exists: bool,
    if_column_not_exists: bool,
    if_field_not_exists: bool,
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WireVisitor)
    }
}

struct WireVisitor;

impl<'de> Visitor<'de> for WireVisitor {
    type Value = Wire;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of ALTER TABLE's parameters")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wire, A::Error> {
        let mut wire = Wire::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "catalog" => wire.catalog = Some(map.next_value()?),
                "schema" => wire.schema = Some(map.next_value()?),
                "name" => wire.name = Some(map.next_value()?),
                "ignore_not_found" => wire.ignore_not_found = map.next_value()?,
                "new_table_name" => wire.new_table_name = Some(map.next_value()?),
                "old_name" => wire.old_name = Some(map.next_value()?),
                "new_name" => wire.new_name = Some(map.next_value()?),
                "removed_column" => wire.removed_column = Some(map.next_value()?),
                "column_name" => wire.column_name = Some(map.next_value()?),
                "column_path" => wire.column_path = Some(map.next_value()?),
                "column_schema" => wire.column_schema = Some(map.next_value::<serde_bytes::ByteBuf>()?.into_vec()),
                "expression" => wire.expression = Some(map.next_value()?),
                "constraint" => wire.constraint = Some(map.next_value()?),
                "if_column_exists" => wire.if_column_exists = map.next_value()?,
                "if_column_not_exists" => wire.if_column_not_exists = map.next_value()?,
                "if_field_not_exists" => wire.if_field_not_exists = map.next_value()?,
                _ => drop(map.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        Ok(wire)
    }
}

#[cfg(test)]
mod tests;
