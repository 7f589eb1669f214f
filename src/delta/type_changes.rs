//! The type changes that a schema records, and whether what was written before them can be read as the type of now.
//!
//! Delta protocol, "Type Widening": files keep the type they were written with, and a reader must refuse a recorded
//! change that it does not know.

use delta_kernel::schema::{ColumnMetadataKey, DataType, MetadataValue, StructField, StructType};
use serde_json::Value;

use crate::engine::{Error, Result};

/// Refuses a schema that records a change which is none of the protocol's, by column and types.
pub(crate) fn check_type_changes(table: &str, schema: &StructType) -> Result<()> {
    schema.fields().try_for_each(|field| check_field(table, "", field))
}

fn check_field(table: &str, parents: &str, field: &StructField) -> Result<()> {
    let column = format!("{parents}{}", field.name());
    for (from, to) in recorded(field) {
        if !widens(&from, &to) {
            return Err(Error::Unsupported(format!(
                "column '{column}' of table '{table}' was changed from {from} to {to}, which is none of the changes of \
                 the table feature 'typeWidening'"
            )));
        }
    }
    let parents = format!("{column}.");
    nested_structs(field.data_type())
        .into_iter()
        .flat_map(StructType::fields)
        .try_for_each(|field| check_field(table, &parents, field))
}

/// The changes that a field records of itself and of what lies below it up to the next field, as types before and
/// after. What cannot be read is a change of unknown types.
fn recorded(field: &StructField) -> Vec<(String, String)> {
    let text = |change: &Value, key: &str| change[key].as_str().map_or_else(|| change[key].to_string(), str::to_owned);
    match field.get_config_value(&ColumnMetadataKey::TypeChanges) {
        None => Vec::new(),
        Some(MetadataValue::Other(Value::Array(changes))) => {
            changes.iter().map(|change| (text(change, "fromType"), text(change, "toType"))).collect()
        }
        Some(other) => vec![(format!("{other:?}"), "(unknown)".to_owned())],
    }
}

/// Whether every value of one type is a value of the other, by the protocol's list; of decimals, it has those that
/// have room for every integer, where writers have taken any that do.
fn widens(from: &str, to: &str) -> bool {
    match (integer_bytes(from), integer_bytes(to), decimal(from), decimal(to)) {
        (Some(from), Some(to), ..) => from <= to,
        (Some(bytes), _, _, Some((precision, scale))) => precision - scale >= integer_digits(bytes),
        (_, _, Some(from), Some(to)) => to.1 >= from.1 && to.0 - to.1 >= from.0 - from.1,
        (Some(bytes), ..) => bytes <= 4 && to == "double",
        _ => matches!((from, to), ("float", "double") | ("date", "timestamp_ntz")),
    }
}

fn integer_bytes(name: &str) -> Option<u8> {
    match name {
        "byte" => Some(1),
        "short" => Some(2),
        "integer" => Some(4),
        "long" => Some(8),
        _ => None,
    }
}

fn integer_digits(bytes: u8) -> i16 {
    match bytes {
        1 => 3,
        2 => 5,
        4 => 10,
        _ => 19,
    }
}

/// Precision and scale.
fn decimal(name: &str) -> Option<(i16, i16)> {
    let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.trim().parse::<u8>().ok()?.into(), scale.trim().parse::<u8>().ok()?.into()))
}

/// The structs directly below a type, through arrays and maps.
fn nested_structs(data_type: &DataType) -> Vec<&StructType> {
    match data_type {
        DataType::Struct(inner) => vec![inner.as_ref()],
        DataType::Array(array) => nested_structs(array.element_type()),
        DataType::Map(map) => [map.key_type(), map.value_type()].into_iter().flat_map(nested_structs).collect(),
        DataType::Primitive(_) | DataType::Variant(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::delta::fixtures::{definition, features, field_with, metadata};

    #[test]
    fn the_protocols_changes_widen_and_no_others_do() {
        for (from, to) in [
            ("byte", "short"),
            ("byte", "long"),
            ("integer", "long"),
            ("integer", "double"),
            ("float", "double"),
            ("date", "timestamp_ntz"),
            ("decimal(5,2)", "decimal(7,2)"),
            ("decimal(5, 2)", "decimal(8, 5)"),
            ("byte", "decimal(4,1)"),
            ("short", "decimal(10,0)"),
            ("integer", "decimal(12,2)"),
            ("long", "decimal(20,0)"),
        ] {
            assert!(widens(from, to), "{from} to {to}");
        }
        for (from, to) in [
            ("long", "integer"),
            ("long", "double"),
            ("double", "float"),
            ("date", "timestamp"),
            ("decimal(5,2)", "decimal(5,3)"),
            ("decimal(5,2)", "decimal(6,1)"),
            ("integer", "decimal(11,2)"),
            ("long", "decimal(20,2)"),
            ("byte", "decimal(2,0)"),
            ("integer", "string"),
            ("string", "(unknown)"),
            ("decimal(300,2)", "decimal(301,2)"),
        ] {
            assert!(!widens(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn unknown_changes_are_refused_at_any_depth() {
        let outcome = |changes: Value| {
            let inner = field_with("y", json!("long"), json!({ "delta.typeChanges": changes }));
            let structs = json!({"type":"array","elementType":{"type":"struct","fields":[inner]},"containsNull":true});
            let table = metadata(&json!([field_with("x", structs, json!({}))]), &json!({}));
            definition(&features(&["typeWidening"], &["typeWidening"]), &table).map(drop)
        };
        outcome(json!([{"fromType":"byte","toType":"short"},{"fromType":"short","toType":"long"}])).unwrap();
        for (changes, named) in [
            (
                json!([{"fromType":"string","toType":"long"}]),
                "column 'x.y' of table 't' was changed from string to long",
            ),
            (json!([{"fromType":{"type":"map"},"toType":"long"}]), "map"),
            (json!([{}]), "null"),
            (json!("odd"), "odd"),
        ] {
            match outcome(changes) {
                Err(Error::Unsupported(text)) => assert!(text.contains(named), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
