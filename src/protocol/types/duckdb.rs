//! DuckDB's names of Arrow types (`arrow_converter.cpp`, `arrow_type_extension.cpp`).
//!
//! Without `arrow_lossless_conversion` some types cannot be told from others: HUGEINT and UHUGEINT arrive as
//! DECIMAL(38,0), UUID and JSON as VARCHAR, BIT as BLOB, TIMETZ as TIME.

use arrow::datatypes::{DataType, Field, TimeUnit};

/// The metadata of extension types (Arrow columnar format, "Extension Types").
const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// Whether the field is BOOLEAN as `arrow_lossless_conversion` sends it: 0 and 1 in bytes.
pub(super) fn is_bool8(field: &Field) -> bool {
    *field.data_type() == DataType::Int8 && extension(field) == Some("arrow.bool8")
}

/// DuckDB's name of the field's extension type, if it is of one.
pub(super) fn extension_name(field: &Field) -> Option<String> {
    Some(match extension(field)? {
        "arrow.json" => "JSON".to_owned(),
        "arrow.uuid" => "UUID".to_owned(),
        "geoarrow.wkb" => "GEOMETRY".to_owned(),
        "arrow.opaque" => opaque_name(field),
        other => format!("{other} (an Arrow extension)"),
    })
}

/// DuckDB's name of a type that is not of an extension.
pub(super) fn type_name(data_type: &DataType) -> String {
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
        DataType::Time32(_) | DataType::Time64(TimeUnit::Microsecond) => "TIME",
        DataType::Time64(_) => "TIME_NS",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP WITH TIME ZONE",
        DataType::Timestamp(TimeUnit::Second, _) => "TIMESTAMP_S",
        DataType::Timestamp(TimeUnit::Millisecond, _) => "TIMESTAMP_MS",
        DataType::Timestamp(TimeUnit::Nanosecond, _) => "TIMESTAMP_NS",
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL",
        DataType::Dictionary(..) => "ENUM",
        DataType::Union(..) => "UNION",
        DataType::Decimal128(precision, scale) => return format!("DECIMAL({precision},{scale})"),
        DataType::FixedSizeList(element, length) => return format!("{}[{length}]", type_name(element.data_type())),
        DataType::List(element) => return format!("{}[]", type_name(element.data_type())),
        DataType::Map(entries, _) => return map_name(entries),
        DataType::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("{} {}", field.name(), type_name(field.data_type())));
            return format!("STRUCT({})", fields.collect::<Vec<_>>().join(", "));
        }
        other => return format!("{other} (of Arrow)"),
    };
    name.to_owned()
}

/// A type of Delta that holds every value of the named one.
pub(super) fn instead_of(duckdb_type: &str) -> Option<&'static str> {
    Some(match duckdb_type {
        "UTINYINT" => "SMALLINT",
        "USMALLINT" => "INTEGER",
        "UINTEGER" => "BIGINT",
        "UBIGINT" => "DECIMAL(20,0)",
        "UUID" | "JSON" | "ENUM" | "TIME" | "TIMETZ" | "TIME_NS" | "INTERVAL" | "BIT" | "HUGEINT" | "UHUGEINT"
        | "BIGNUM" => "VARCHAR",
        "TIMESTAMP_S" | "TIMESTAMP_MS" => "TIMESTAMP",
        "NULL" => "a type that has values",
        fixed if fixed.ends_with(']') => "a list without a fixed length",
        _ => return None,
    })
}

fn extension(field: &Field) -> Option<&str> {
    field.metadata().get(EXTENSION_NAME).map(String::as_str)
}

/// Types that only DuckDB has name themselves: `{"type_name": "hugeint", "vendor_name": "DuckDB"}`.
fn opaque_name(field: &Field) -> String {
    let metadata = field.metadata().get(EXTENSION_METADATA).map_or("", String::as_str);
    let name = serde_json::from_str::<serde_json::Value>(metadata)
        .ok()
        .and_then(|metadata| metadata.get("type_name")?.as_str().map(str::to_ascii_uppercase));
    match name.as_deref() {
        Some("TIME_TZ") => "TIMETZ".to_owned(),
        Some(name) => name.to_owned(),
        None => "arrow.opaque (an Arrow extension)".to_owned(),
    }
}

fn map_name(entries: &Field) -> String {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => {
            format!("MAP({}, {})", type_name(fields[0].data_type()), type_name(fields[1].data_type()))
        }
        _ => "MAP".to_owned(),
    }
}
