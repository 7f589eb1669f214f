//! Which of the engine's types a column is, or by what name it is refused.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, TimeUnit};

use super::duckdb;
use crate::engine::{self, Extension};

/// A column of a type that is not offered.
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
        write!(formatter, "column {column:?} has type {duckdb_type}, which is not offered")?;
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

/// The most elements of a fixed-size ARRAY (`ArrayType::MAX_ARRAY_SIZE` in DuckDB's `common/types.hpp`).
const ARRAY_LENGTH_MAX: i32 = 100_000;

/// The same columns in the engine's types, each in the one form [`crate::engine`] names, with the names Delta's Arrow
/// schemas use inside lists (`element`) and maps (`key_value`: `key`, `value`). Names and nullability stay; of the
/// metadata only what makes an [`Extension`] does.
pub fn canonical_schema(schema: &Schema) -> Result<Schema, Unsupported> {
    let fields: Result<Vec<_>, _> = schema.fields().iter().map(|field| canonical_field(field, &[])).collect();
    Ok(Schema::new(fields?))
}

/// The first column that holds an ENUM, if one does.
pub fn enum_column(schema: &Schema) -> Option<&str> {
    let column = schema.fields().iter().find(|field| holds_enum(field))?;
    Some(column.name())
}

fn holds_enum(field: &Field) -> bool {
    match field.data_type() {
        DataType::Dictionary(..) => true,
        DataType::List(inner)
        | DataType::LargeList(inner)
        | DataType::ListView(inner)
        | DataType::LargeListView(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::Map(inner, _) => holds_enum(inner),
        DataType::Struct(fields) => fields.iter().any(|field| holds_enum(field)),
        _ => false,
    }
}

pub(super) fn canonical_field(field: &Field, parents: &[&str]) -> Result<FieldRef, Unsupported> {
    let path = [parents, &[field.name().as_str()]].concat();
    if let Some(extension) = Extension::of(field)
        && duckdb::is_stored_as(extension, field.data_type())
    {
        return Ok(Arc::new(extension.field(field.name(), field.is_nullable())));
    }
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
    if duckdb::is_extension(field) {
        return Err(unsupported(path, field));
    }
    Ok(match field.data_type() {
        plain if is_plain(plain) => plain.clone(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        // ENUM: its values are kept and its type is not, for the client reads dictionaries as VARCHAR
        // (`airport_table_set.cpp`).
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => DataType::Utf8,
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
        DataType::FixedSizeList(element, length) if (1..=ARRAY_LENGTH_MAX).contains(length) => {
            DataType::FixedSizeList(renamed(element, ELEMENT, path)?, *length)
        }
        DataType::Map(entries, _) => canonical_map(field, entries, path)?,
        DataType::Struct(fields) if !fields.is_empty() => {
            DataType::Struct(fields.iter().map(|field| canonical_field(field, path)).collect::<Result<_, _>>()?)
        }
        _ => return Err(unsupported(path, field)),
    })
}

/// Types that DuckDB sends in one form only, which is the engine's.
fn is_plain(data_type: &DataType) -> bool {
    use DataType::*;
    data_type.is_integer()
        || matches!(data_type, Boolean | Float32 | Float64 | Date32 | Timestamp(_, None))
        || matches!(data_type, Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond))
        || matches!(data_type, Interval(IntervalUnit::MonthDayNano))
}

fn canonical_map(map: &Field, entries: &Field, path: &[&str]) -> Result<DataType, Unsupported> {
    let DataType::Struct(fields) = entries.data_type() else { return Err(unsupported(path, map)) };
    let [key, value] = fields.as_ref() else { return Err(unsupported(path, map)) };
    let key = renamed(key, KEY, path)?.as_ref().clone().with_nullable(false);
    let fields = Fields::from(vec![Arc::new(key), renamed(value, VALUE, path)?]);
    Ok(DataType::Map(Arc::new(Field::new(KEY_VALUE, DataType::Struct(fields), false)), false))
}

fn renamed(field: &Field, name: &str, path: &[&str]) -> Result<FieldRef, Unsupported> {
    canonical_field(&field.clone().with_name(name), path)
}

fn unsupported(path: &[&str], field: &Field) -> Unsupported {
    let duckdb_type = duckdb::type_name(field);
    let instead = duckdb::instead_of(&duckdb_type);
    Unsupported { column: path.join("."), duckdb_type, instead }
}
