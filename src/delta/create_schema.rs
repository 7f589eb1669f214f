//! The Delta schema of a new table, and whether its column names need column mapping.

use std::collections::HashSet;

use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use delta_kernel::{
    schema::{ArrayType, DataType as DeltaType, DecimalType, MapType, PrimitiveType, StructField, StructType},
    table_features::assign_column_mapping_metadata,
};

use super::{
    duckdb_types::{ARRAY_LENGTHS, Kind, TYPE_KEY, TypeText, declared_type},
    schema::UTC,
};
use crate::engine::{Error, Result};

/// Characters a column name may hold only under column mapping: Spark refuses to write them into Parquet
/// (PROTOCOL.md, "Column Mapping"; Delta's `SchemaUtils.checkFieldNames`).
const NEED_MAPPING: [char; 10] = [' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// How deep types may nest. The schema is JSON in JSON, and parsers of it (serde_json's default is 128 levels)
/// need about four levels for each of ours.
const NESTING_LEVELS_MAX: usize = 24;

/// What a new table's metadata says of its columns.
#[derive(Debug)]
pub(crate) struct NewSchema {
    /// The columns; with ids and physical names if they are mapped.
    pub(crate) columns: StructType,
    /// The highest column id, if columns are mapped by name.
    pub(crate) column_id_max: Option<i64>,
    /// Whether a column is timestampNtz, which is a table feature.
    pub(crate) timestamp_ntz: bool,
}

impl NewSchema {
    /// Refuses, by the names of column and type, what Delta cannot keep exactly.
    pub(crate) fn try_new(schema: &Schema, partition_columns: &[String]) -> Result<Self> {
        if schema.fields().is_empty() {
            return Err(Error::InvalidArgument("a table needs at least one column".to_owned()));
        }
        let columns = struct_type(schema.fields(), "", 0)?;
        check_partitioning(schema, partition_columns)?;
        let timestamp_ntz = any_field(schema.fields(), &|field| {
            Kind::of(field).is_some_and(|kind| kind.stored() == DataType::Timestamp(TimeUnit::Microsecond, None))
        });
        if !needs_mapping(schema.fields()) {
            return Ok(Self { columns, column_id_max: None, timestamp_ntz });
        }
        let mut column_id_max = 0;
        let columns = assign_column_mapping_metadata(&columns, &mut column_id_max, false)
            .map_err(|error| Error::internal("cannot give the columns ids", error))?;
        Ok(Self { columns, column_id_max: Some(column_id_max), timestamp_ntz })
    }
}

/// One more column of a table, or field of a struct, that is there: without id or physical name.
///
/// # Errors
/// `Unsupported`, by the names of column and type, for what Delta cannot keep exactly.
pub(crate) fn new_column(field: &Field) -> Result<StructField> {
    let columns = struct_type(&Fields::from(vec![field.clone()]), "", 0)?;
    columns.fields().next().cloned().ok_or_else(|| Error::internal("cannot make a column's schema", "it has no fields"))
}

/// Whether a name among these, nested ones too, is possible under column mapping only.
pub(crate) fn needs_mapping(fields: &Fields) -> bool {
    any_field(fields, &|field| field.name().contains(NEED_MAPPING))
}

fn struct_type(fields: &Fields, path: &str, level: usize) -> Result<StructType> {
    let mut seen = HashSet::new();
    let converted = fields.iter().map(|field| {
        let path = join(path, field.name());
        if field.name().is_empty() {
            return Err(Error::InvalidArgument(format!("column '{path}' has an empty name")));
        }
        // Delta's column names are case-insensitive.
        if !seen.insert(field.name().to_lowercase()) {
            return Err(Error::InvalidArgument(format!("column '{path}' is there twice (names differ in case only)")));
        }
        let column = StructField::new(field.name(), delta_type(field, &path, level)?, field.is_nullable());
        let declared = declared_type(field).map(|declared| (TYPE_KEY, declared.to_string()));
        Ok(column.with_metadata(declared))
    });
    let converted = converted.collect::<Result<Vec<_>>>()?;
    StructType::try_new(converted).map_err(|error| Error::internal("cannot make the table's schema", error))
}

fn delta_type(field: &Field, path: &str, level: usize) -> Result<DeltaType> {
    if let Some(kind) = Kind::of(field) {
        return primitive_type(&kind.stored()).map(DeltaType::Primitive).ok_or_else(|| refused(path, field));
    }
    let level = level + 1;
    if level > NESTING_LEVELS_MAX {
        return Err(Error::Unsupported(format!(
            "column '{path}' nests deeper than {NESTING_LEVELS_MAX} levels, which is the most that is offered"
        )));
    }
    let child = |field: &Field| delta_type(field, &join(path, field.name()), level);
    match field.data_type() {
        DataType::Struct(fields) if !fields.is_empty() => Ok(struct_type(fields, path, level)?.into()),
        DataType::FixedSizeList(_, length) if !ARRAY_LENGTHS.contains(length) => Err(refused(path, field)),
        DataType::List(element) | DataType::FixedSizeList(element, _) => {
            Ok(ArrayType::new(child(element)?, element.is_nullable()).into())
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                Ok(MapType::new(child(&pair[0])?, child(&pair[1])?, pair[1].is_nullable()).into())
            }
            _ => Err(refused(path, field)),
        },
        _ => Err(refused(path, field)),
    }
}

/// The type that is kept as `data_type`; `None` if Delta has none.
fn primitive_type(data_type: &DataType) -> Option<PrimitiveType> {
    Some(match data_type {
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 => PrimitiveType::Byte,
        DataType::Int16 => PrimitiveType::Short,
        DataType::Int32 => PrimitiveType::Integer,
        DataType::Int64 => PrimitiveType::Long,
        DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal128(precision, scale) => {
            let decimal = u8::try_from(*scale).ok().and_then(|scale| DecimalType::try_new(*precision, scale).ok());
            PrimitiveType::Decimal(decimal?)
        }
        DataType::Utf8 => PrimitiveType::String,
        DataType::Binary => PrimitiveType::Binary,
        DataType::Date32 => PrimitiveType::Date,
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == UTC => PrimitiveType::Timestamp,
        DataType::Timestamp(TimeUnit::Microsecond, None) => PrimitiveType::TimestampNtz,
        _ => return None,
    })
}

fn check_partitioning(schema: &Schema, partition_columns: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    for name in partition_columns {
        let Some((_, field)) = schema.fields().find(name) else {
            return Err(Error::InvalidArgument(format!("partition column '{name}' is not a column of the table")));
        };
        if !seen.insert(name) {
            return Err(Error::InvalidArgument(format!("partition column '{name}' is named twice")));
        }
        if field.data_type().is_nested() {
            return Err(Error::InvalidArgument(format!(
                "partition column '{name}' has type {}; only types without elements or fields can partition a table",
                type_name(field)
            )));
        }
    }
    if partition_columns.len() == schema.fields().len() {
        return Err(Error::InvalidArgument("a table needs at least one column that does not partition it".to_owned()));
    }
    Ok(())
}

fn any_field(fields: &Fields, wanted: &dyn Fn(&Field) -> bool) -> bool {
    fields.iter().any(|field| {
        wanted(field)
            || match field.data_type() {
                DataType::Struct(inner) => any_field(inner, wanted),
                DataType::List(inner) | DataType::FixedSizeList(inner, _) | DataType::Map(inner, _) => {
                    any_field(&Fields::from(vec![inner.clone()]), wanted)
                }
                _ => false,
            }
    })
}

fn refused(path: &str, field: &Field) -> Error {
    let name = type_name(field);
    Error::Unsupported(format!("column '{path}' has type {name}, which a Delta table cannot keep exactly"))
}

/// DuckDB's name of a type if it has one.
fn type_name(field: &Field) -> String {
    match (TypeText::of(field), field.extension_type_name()) {
        (Some(name), _) => name.to_string(),
        (None, Some(extension)) => format!("{extension} kept as {}", field.data_type()),
        (None, None) => field.data_type().to_string(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
