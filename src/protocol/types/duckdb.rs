//! DuckDB's names of Arrow types (`arrow_converter.cpp`, `arrow_type_extension.cpp`).
//!
//! Without `arrow_lossless_conversion` some types cannot be told from others: HUGEINT and UHUGEINT arrive as
//! DECIMAL(38,0), UUID and JSON as VARCHAR, BIT as BLOB, TIMETZ as TIME.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};

use crate::engine::Extension;

/// The metadata of extension types (Arrow columnar format, "Extension Types").
const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// Whether the field is BOOLEAN as `arrow_lossless_conversion` sends it: 0 and 1 in bytes.
pub(super) fn is_bool8(field: &Field) -> bool {
    *field.data_type() == DataType::Int8 && extension_name(field) == Some("arrow.bool8")
}

/// Whether the field is of an extension type, known or not.
pub(super) fn is_extension(field: &Field) -> bool {
    extension_name(field).is_some()
}

/// DuckDB's name of a column's type.
pub(super) fn type_name(field: &Field) -> String {
    match extension_name(field) {
        None => storage_name(field.data_type()),
        Some("arrow.bool8") if is_bool8(field) => "BOOLEAN".to_owned(),
        Some("geoarrow.wkb") => "GEOMETRY".to_owned(),
        Some(name) => match Extension::of(field) {
            Some(extension) if is_stored_as(extension, field.data_type()) => extension.duckdb_name().to_owned(),
            Some(extension) => format!("{} in {} (of Arrow)", extension.duckdb_name(), field.data_type()),
            None => foreign_name(name, field),
        },
    }
}

/// Whether values of the extension come in this form: binaries and text of every layout, or as many bytes as they are.
pub(super) fn is_stored_as(extension: Extension, data_type: &DataType) -> bool {
    match extension.storage() {
        DataType::Utf8 => matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
        DataType::Binary => matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView),
        storage => storage == *data_type,
    }
}

/// A type that is offered and holds the values of the named one.
pub(super) fn instead_of(duckdb_type: &str) -> Option<&'static str> {
    Some(match duckdb_type {
        "NULL" => "a type that has values",
        "UNION" => "a STRUCT with a field for each member",
        "GEOMETRY" => "BLOB",
        _ => return None,
    })
}

fn storage_name(data_type: &DataType) -> String {
    let name = match data_type {
        DataType::Null => "NULL",
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INTEGER",
        DataType::Int64 => "BIGINT",
        DataType::UInt8 => "UTINYINT",
        DataType::UInt16 => "USMALLINT",
        DataType::UInt32 => "UINTEGER",
        DataType::UInt64 => "UBIGINT",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 => "VARCHAR",
        DataType::Binary => "BLOB",
        DataType::Date32 => "DATE",
        DataType::Time64(TimeUnit::Microsecond) => "TIME",
        DataType::Time64(TimeUnit::Nanosecond) => "TIME_NS",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP WITH TIME ZONE",
        DataType::Timestamp(TimeUnit::Second, None) => "TIMESTAMP_S",
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP_MS",
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS",
        DataType::Interval(IntervalUnit::MonthDayNano) => "INTERVAL",
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => "ENUM",
        DataType::Union(..) => "UNION",
        DataType::Decimal128(precision, scale) => return format!("DECIMAL({precision},{scale})"),
        DataType::FixedSizeList(element, length) => return format!("{}[{length}]", type_name(element)),
        DataType::List(element) => return format!("{}[]", type_name(element)),
        DataType::Map(entries, _) => return map_name(entries),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{} {}", field.name(), type_name(field)));
            return format!("STRUCT({})", fields.collect::<Vec<_>>().join(", "));
        }
        other => return format!("{other} (of Arrow)"),
    };
    name.to_owned()
}

fn extension_name(field: &Field) -> Option<&str> {
    field.metadata().get(EXTENSION_NAME).map(String::as_str)
}

/// An extension this does not know, by the name it gives itself.
fn foreign_name(name: &str, field: &Field) -> String {
    let metadata = field.metadata().get(EXTENSION_METADATA).map_or("", String::as_str);
    let metadata: serde_json::Value = serde_json::from_str(metadata).unwrap_or_default();
    match metadata.get("type_name").and_then(serde_json::Value::as_str) {
        Some(type_name) => format!("{type_name} (an Arrow extension)"),
        None => format!("{name} (an Arrow extension)"),
    }
}

fn map_name(entries: &Field) -> String {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => {
            format!("MAP({}, {})", type_name(&fields[0]), type_name(&fields[1]))
        }
        _ => "MAP".to_owned(),
    }
}
