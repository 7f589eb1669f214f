//! Making and removing schemas and tables.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Schema;
use serde::Deserialize;

use crate::protocol::{DecodeError, ipc, msgpack};

/// `AirportCreateSchemaParameters` (`storage/airport_schema_set.cpp`)
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreateSchema {
    /// The name given to ATTACH.
    pub catalog_name: String,
    /// The new schema's name.
    pub schema: String,
    /// A comment.
    #[serde(default)]
    pub comment: Option<String>,
    /// The client never fills them.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// DROP SCHEMA; the client has no CASCADE or RESTRICT on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropSchema {
    /// The name given to ATTACH.
    pub catalog_name: String,
    /// The schema.
    pub schema_name: String,
    /// IF EXISTS
    pub ignore_not_found: bool,
}

impl DropSchema {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let item: DropItem = DropItem::decode("drop_schema request", body, "schema")?;
        // The schema's name stands in `name`; `schema_name` is empty.
        Ok(Self { catalog_name: item.catalog_name, schema_name: item.name, ignore_not_found: item.ignore_not_found })
    }
}

/// DROP TABLE
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropTable {
    /// The name given to ATTACH.
    pub catalog_name: String,
    /// The table's schema.
    pub schema_name: String,
    /// The table.
    pub table_name: String,
    /// IF EXISTS
    pub ignore_not_found: bool,
}

impl DropTable {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let DropItem { catalog_name, schema_name, name, ignore_not_found, .. } =
            DropItem::decode("drop_table request", body, "table")?;
        Ok(Self { catalog_name, schema_name, table_name: name, ignore_not_found })
    }
}

/// `DropItemActionParameters` (`storage/airport_catalog_set.cpp`)
#[derive(Deserialize)]
struct DropItem {
    r#type: String,
    catalog_name: String,
    schema_name: String,
    name: String,
    #[serde(default)]
    ignore_not_found: bool,
}

impl DropItem {
    fn decode(what: &'static str, body: &[u8], expected: &str) -> Result<Self, DecodeError> {
        let item: Self = msgpack::decode(what, body)?;
        if item.r#type == expected {
            return Ok(item);
        }
        Err(DecodeError::new(what, format!("type {:?} is not {expected}", item.r#type)))
    }
}

/// CREATE TABLE
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// The name given to ATTACH.
    pub catalog_name: String,
    /// The table's schema.
    pub schema_name: String,
    /// The new table's name.
    pub table_name: String,
    /// The columns as DuckDB's Arrow has them, NOT NULL ones non-nullable.
    pub columns: Schema,
    /// What to do if the table exists.
    pub on_conflict: OnConflict,
    /// CHECK constraints, as SQL.
    pub check_constraints: Vec<String>,
    /// Columns of the PRIMARY KEY.
    pub primary_key: Vec<String>,
    /// UNIQUE constraints on one column, as column names, and on several, as SQL.
    pub unique_constraints: Vec<String>,
}

/// What CREATE TABLE does if the table exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnConflict {
    /// CREATE TABLE
    Error,
    /// CREATE TABLE IF NOT EXISTS
    Ignore,
    /// CREATE OR REPLACE TABLE; the client refuses it before it calls.
    Replace,
}

impl CreateTable {
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        /// `AirportCreateTableParameters` (`storage/airport_table_set.cpp`)
        #[derive(Deserialize)]
        struct Wire {
            catalog_name: String,
            schema_name: String,
            table_name: String,
            #[serde(with = "serde_bytes")]
            arrow_schema: Vec<u8>,
            on_conflict: OnConflict,
            #[serde(default)]
            not_null_constraints: BTreeSet<u64>,
            #[serde(default)]
            check_constraints: Vec<String>,
            #[serde(default)]
            primary_key_columns: Vec<String>,
            #[serde(default)]
            unique_columns: Vec<String>,
            #[serde(default)]
            multi_key_primary_keys: Vec<String>,
            #[serde(default)]
            extra_constraints: Vec<String>,
        }
        let what = "create_table request";
        let wire: Wire = msgpack::decode(what, body)?;
        let columns = ipc::decode_schema(what, &wire.arrow_schema)?;
        Ok(Self {
            catalog_name: wire.catalog_name,
            schema_name: wire.schema_name,
            table_name: wire.table_name,
            columns: with_not_null(what, &columns, &wire.not_null_constraints)?,
            on_conflict: wire.on_conflict,
            check_constraints: wire.check_constraints,
            primary_key: [wire.primary_key_columns, wire.multi_key_primary_keys].concat(),
            unique_constraints: [wire.unique_columns, wire.extra_constraints].concat(),
        })
    }
}

/// NOT NULL comes beside the schema, by column index: in the schema itself every field is nullable.
fn with_not_null(what: &'static str, columns: &Schema, not_null: &BTreeSet<u64>) -> Result<Schema, DecodeError> {
    let mut fields: Vec<_> = columns.fields().iter().map(|field| field.as_ref().clone()).collect();
    for &index in not_null {
        let field = usize::try_from(index).ok().and_then(|index| fields.get_mut(index));
        let Some(field) = field else {
            return Err(DecodeError::new(what, format!("NOT NULL names column {index}, which does not exist")));
        };
        field.set_nullable(false);
    }
    Ok(Schema::new(fields))
}
