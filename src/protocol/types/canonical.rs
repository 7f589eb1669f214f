//! Which of the engine's types a column is, or by what name it is refused.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};

use super::duckdb;
use crate::engine;

/// A column of a type that is not kept exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The column, with the fields below it that lead to the type.
    pub column: String,
    /// DuckDB's name of the type.
    pub duckdb_type: String,
    /// DuckDB's name of a type that holds the same values, if there is one.
    pub instead: Option<&'static str>,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, duckdb_type, instead } = self;
        write!(formatter, "column {column:?} has type {duckdb_type}, which Delta tables do not have")?;
        match instead {
            Some(instead) => write!(formatter, "; cast it to {instead}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Unsupported {}

impl From<Unsupported> for engine::Error {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported.to_string())
    }
}

/// The same columns in the engine's types: Boolean, Int8 to Int64, Float32, Float64, Decimal128, Utf8, Binary, Date32,
/// Timestamp(µs) and Timestamp(µs, "UTC"), and List (of `element`), Map (of `key_value`: `key`, `value`) and Struct of
/// those. Names and nullability stay; metadata goes.
pub fn canonical_schema(schema: &Schema) -> Result<Schema, Unsupported> {
    let fields: Result<Vec<_>, _> = schema.fields().iter().map(|field| canonical_field(field, &[])).collect();
    Ok(Schema::new(fields?))
}

pub(super) fn canonical_field(field: &Field, parents: &[&str]) -> Result<FieldRef, Unsupported> {
    let path = [parents, &[field.name().as_str()]].concat();
    let data_type = canonical_type(field, &path)?;
    Ok(Arc::new(Field::new(field.name(), data_type, field.is_nullable())))
}

/// The names inside lists and maps that Delta's Arrow schemas use.
const ELEMENT: &str = "element";
const KEY_VALUE: &str = "key_value";
const KEY: &str = "key";
const VALUE: &str = "value";

fn canonical_type(field: &Field, path: &[&str]) -> Result<DataType, Unsupported> {
    if duckdb::is_bool8(field) {
        return Ok(DataType::Boolean);
    }
    if let Some(name) = duckdb::extension_name(field) {
        return Err(unsupported(path, name));
    }
    Ok(match field.data_type() {
        DataType::Boolean | DataType::Float32 | DataType::Float64 | DataType::Date32 => field.data_type().clone(),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => field.data_type().clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(TimeUnit::Microsecond, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if (0..=i16::from(*precision)).contains(&i16::from(*scale)) =>
        {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => DataType::List(renamed(element, ELEMENT, path)?),
        DataType::Map(entries, _) => canonical_map(entries, path)?,
        DataType::Struct(fields) if !fields.is_empty() => {
            DataType::Struct(fields.iter().map(|field| canonical_field(field, path)).collect::<Result<_, _>>()?)
        }
        other => return Err(unsupported(path, duckdb::type_name(other))),
    })
}

fn canonical_map(entries: &Field, path: &[&str]) -> Result<DataType, Unsupported> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(unsupported(path, "MAP without entries".to_owned()));
    };
    let [key, value] = fields.as_ref() else { return Err(unsupported(path, "MAP without key and value".to_owned())) };
    let key = renamed(key, KEY, path)?.as_ref().clone().with_nullable(false);
    let fields = Fields::from(vec![Arc::new(key), renamed(value, VALUE, path)?]);
    Ok(DataType::Map(Arc::new(Field::new(KEY_VALUE, DataType::Struct(fields), false)), false))
}

fn renamed(field: &Field, name: &str, path: &[&str]) -> Result<FieldRef, Unsupported> {
    canonical_field(&field.clone().with_name(name), path)
}

fn unsupported(path: &[&str], duckdb_type: String) -> Unsupported {
    let instead = duckdb::instead_of(&duckdb_type);
    Unsupported { column: path.join("."), duckdb_type, instead }
}
