//! Delta's columns as Arrow, under both of their names.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use delta_kernel::{
    schema::{ColumnMetadataKey, DataType as DeltaType, MetadataValue, PrimitiveType, StructField, StructType},
    table_configuration::TableConfiguration,
    table_features::ColumnMappingMode,
};
use serde_json::Value;

use super::duckdb_types::shown;
use crate::engine::{Error, Result};

/// What a list's elements are called, in Parquet's own words ("LogicalTypes.md", nested types).
pub(crate) const LIST_ELEMENT: &str = "element";
/// What a map's entries are called.
pub(crate) const MAP_ENTRIES: &str = "key_value";
/// What a map's keys are called.
pub(crate) const MAP_KEY: &str = "key";
/// What a map's values are called.
pub(crate) const MAP_VALUE: &str = "value";
/// The metadata key by which arrow-rs carries a Parquet field id.
pub(crate) const PARQUET_FIELD_ID: &str = "PARQUET:field_id";
/// The only time zone Delta's timestamps have.
pub(crate) const UTC: &str = "UTC";

/// The columns of one version: what the seam shows, and what data files call them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableSchema {
    /// The columns as the seam shows them: those of `stored`, but of DuckDB's types where the log names them.
    pub(crate) logical: SchemaRef,
    /// The columns as they are stored: logical names, Arrow types, nullability; no metadata. The same as `logical` if
    /// Delta has all its types.
    ///
    /// boolean, byte to long, float, double, decimal(p,s), string, binary, date, timestamp and timestampNtz are
    /// Boolean, Int8 to Int64, Float32, Float64, Decimal128(p,s), Utf8, Binary, Date32, Timestamp(µs, "UTC") and
    /// Timestamp(µs); array, map and struct are List, Map and Struct of those. List elements are called
    /// `element`, map entries `key_value` with `key` and `value`, as Parquet calls them.
    pub(crate) stored: SchemaRef,
    /// The stored columns in the same order with the names (nested ones too) that data files, statistics and
    /// partition values use. Under column mapping every field, nested ones too, carries its id as metadata
    /// `PARQUET:field_id`; list elements, map keys and map values only where the table gives them one.
    pub(crate) physical: SchemaRef,
    /// Indexes of the partition columns, in the order of the table's metadata.
    pub(crate) partition_columns: Vec<usize>,
    /// How data files name columns.
    pub(crate) mapping: ColumnMapping,
}

/// `delta.columnMapping.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnMapping {
    /// Physical names are the logical ones.
    None,
    /// Columns of a file are found by physical name.
    Name,
    /// Columns of a file are found by Parquet field id.
    Id,
}

impl TableSchema {
    /// The columns of a table whose types [`check_types`] has accepted.
    pub(crate) fn try_new(config: &TableConfiguration) -> Result<Self> {
        let schema = config.logical_schema();
        let mapping = match config.column_mapping_mode() {
            ColumnMappingMode::None => ColumnMapping::None,
            ColumnMappingMode::Name => ColumnMapping::Name,
            ColumnMappingMode::Id => ColumnMapping::Id,
        };
        let position = |name: &String| {
            let missing = || Error::Unsupported(format!("partition column '{name}' is not in the table's schema"));
            schema.index_of(name).ok_or_else(missing)
        };
        let stored = Arc::new(Schema::new(Naming::Logical.fields(&schema)?));
        let shown = shown(&schema, stored.fields());
        let logical = if shown == *stored.fields() { Arc::clone(&stored) } else { Arc::new(Schema::new(shown)) };
        Ok(Self {
            logical,
            stored,
            physical: Arc::new(Schema::new(Naming::Physical(config.column_mapping_mode()).fields(&schema)?)),
            partition_columns: config.metadata().partition_columns().iter().map(position).collect::<Result<_>>()?,
            mapping,
        })
    }
}

/// Refuses a schema that has a type we do not offer, by the names of column and type.
///
/// It looks at the log's JSON, because the kernel cannot even parse a type it does not know.
pub(crate) fn check_types(table: &str, schema_json: &str) -> Result<()> {
    let schema: Value = serde_json::from_str(schema_json)
        .map_err(|error| Error::internal(format!("cannot parse the schema of table '{table}'"), error))?;
    match unknown_type(&schema) {
        Some((column, name)) => Err(Error::Unsupported(format!(
            "column '{column}' of table '{table}' has type {name}, which is not offered"
        ))),
        None => Ok(()),
    }
}

/// The dotted column and the name of the first type below `data_type` that we do not offer.
fn unknown_type(data_type: &Value) -> Option<(String, String)> {
    let inside = |step: &str, inner: &Value| {
        let (column, name) = unknown_type(inner)?;
        Some((if column.is_empty() { step.to_owned() } else { format!("{step}.{column}") }, name))
    };
    match (data_type.as_str(), data_type["type"].as_str()) {
        (Some(name), _) => (!is_offered(name)).then(|| (String::new(), name.to_owned())),
        (_, Some("struct")) => {
            let fields = data_type["fields"].as_array()?;
            fields.iter().find_map(|field| inside(field["name"].as_str().unwrap_or_default(), &field["type"]))
        }
        (_, Some("array")) => inside(LIST_ELEMENT, &data_type["elementType"]),
        (_, Some("map")) => {
            inside(MAP_KEY, &data_type["keyType"]).or_else(|| inside(MAP_VALUE, &data_type["valueType"]))
        }
        (_, other) => Some((String::new(), other.unwrap_or("(none)").to_owned())),
    }
}

fn is_offered(primitive: &str) -> bool {
    let known = [
        "boolean",
        "byte",
        "short",
        "integer",
        "long",
        "float",
        "double",
        "string",
        "binary",
        "date",
        "timestamp",
        "timestamp_ntz",
    ];
    known.contains(&primitive) || primitive.starts_with("decimal(")
}

/// Which names and which metadata fields get.
#[derive(Clone, Copy)]
enum Naming {
    Logical,
    Physical(ColumnMappingMode),
}

impl Naming {
    fn fields(self, schema: &StructType) -> Result<Fields> {
        schema.fields().map(|field| self.field(field)).collect()
    }

    fn field(self, field: &StructField) -> Result<Field> {
        let name = match self {
            Self::Logical => field.name(),
            Self::Physical(mode) => field.physical_name(mode),
        };
        let ids = self.nested_ids(field);
        let arrow = Field::new(name, self.data_type(field.data_type(), name, &ids)?, field.is_nullable());
        Ok(match self {
            Self::Physical(mode) if mode != ColumnMappingMode::None => with_id(arrow, field.column_mapping_id()),
            _ => arrow,
        })
    }

    /// The ids of the list elements, map keys and map values below a field, up to the next struct field, by
    /// their paths from the field's physical name.
    fn nested_ids(self, field: &StructField) -> HashMap<String, i64> {
        let keys = [ColumnMetadataKey::ColumnMappingNestedIds, ColumnMetadataKey::ParquetFieldNestedIds];
        let recorded = match self {
            Self::Physical(mode) if mode != ColumnMappingMode::None => {
                keys.iter().find_map(|key| field.get_config_value(key))
            }
            _ => None,
        };
        match recorded {
            Some(MetadataValue::Other(Value::Object(ids))) => {
                ids.iter().filter_map(|(path, id)| Some((path.clone(), id.as_i64()?))).collect()
            }
            _ => HashMap::new(),
        }
    }

    fn data_type(self, data_type: &DeltaType, path: &str, ids: &HashMap<String, i64>) -> Result<DataType> {
        let child = |name: &str, inner: &DeltaType, nullable: bool| {
            let path = format!("{path}.{name}");
            let arrow = Field::new(name, self.data_type(inner, &path, ids)?, nullable);
            Ok::<_, Error>(with_id(arrow, ids.get(&path).copied()))
        };
        Ok(match data_type {
            DeltaType::Primitive(primitive) => primitive_type(primitive)?,
            DeltaType::Struct(inner) => DataType::Struct(self.fields(inner)?),
            DeltaType::Array(array) => {
                DataType::List(Arc::new(child(LIST_ELEMENT, array.element_type(), array.contains_null())?))
            }
            DeltaType::Map(map) => {
                let key = child(MAP_KEY, map.key_type(), false)?;
                let value = child(MAP_VALUE, map.value_type(), map.value_contains_null())?;
                map_type(key, value)
            }
            DeltaType::Variant(_) => return Err(Error::Unsupported(format!("'{path}' has type variant"))),
        })
    }
}

fn with_id(field: Field, id: Option<i64>) -> Field {
    match id {
        Some(id) => field.with_metadata([(PARQUET_FIELD_ID.to_owned(), id.to_string())].into()),
        None => field,
    }
}

/// A map whose entries are named as Parquet names them.
pub(crate) fn map_type(key: Field, value: Field) -> DataType {
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new(MAP_ENTRIES, entries, false)), false)
}

fn primitive_type(primitive: &PrimitiveType) -> Result<DataType> {
    Ok(match primitive {
        PrimitiveType::Boolean => DataType::Boolean,
        PrimitiveType::Byte => DataType::Int8,
        PrimitiveType::Short => DataType::Int16,
        PrimitiveType::Integer => DataType::Int32,
        PrimitiveType::Long => DataType::Int64,
        PrimitiveType::Float => DataType::Float32,
        PrimitiveType::Double => DataType::Float64,
        PrimitiveType::Decimal(decimal) => decimal_type(decimal.precision(), decimal.scale()),
        PrimitiveType::String => DataType::Utf8,
        PrimitiveType::Binary => DataType::Binary,
        PrimitiveType::Date => DataType::Date32,
        PrimitiveType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        PrimitiveType::TimestampNtz => DataType::Timestamp(TimeUnit::Microsecond, None),
        other => return Err(Error::Unsupported(format!("type {other} is not offered"))),
    })
}

/// Delta's scale never exceeds the precision, which never exceeds 38, so it fits.
fn decimal_type(precision: u8, scale: u8) -> DataType {
    DataType::Decimal128(precision, scale as i8)
}

#[cfg(test)]
mod tests;
