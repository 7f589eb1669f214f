use arrow::datatypes::{UnionFields, UnionMode};

use super::*;
use crate::{
    engine::Error,
    protocol::{
        action::ActionRequest,
        ipc::{decode_schema, encode_schema},
    },
};

#[test]
fn a_recorded_table_is_canonical() {
    let action = golden::action("011-DoAction-create_table.00.client.pb");
    let ActionRequest::CreateTable(table) = ActionRequest::decode(&action.r#type, &action.body).unwrap() else {
        panic!("another action");
    };
    assert_eq!(canonical_schema(&table.columns).unwrap(), orders());
}

#[test]
fn recorded_types_are_taken_or_refused_by_name() {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let expected: [(&str, Result<DataType, &str>); 17] = [
        ("a", Err("UTINYINT")),
        ("b", Err("HUGEINT")),
        ("c", Err("UUID")),
        ("d", Err("TIME")),
        ("e", Err("INTERVAL")),
        ("f", Err("BIT")),
        ("g", Ok(utc)),
        ("h", Ok(DataType::Binary)),
        ("i", Ok(map_type("key_value", "key", "value"))),
        ("j", Ok(DataType::Date32)),
        ("k", Ok(DataType::Float64)),
        ("l", Ok(DataType::Boolean)),
        ("m", Err("UBIGINT")),
        ("n", Err("TIMESTAMP_NS")),
        ("o", Err("JSON")),
        ("p", Ok(DataType::Utf8)),
        ("q", Err("INTEGER[3]")),
    ];
    let schema = recorded_schema("197-DoExchange-insert.01.client.pb");
    for (field, (name, expected)) in schema.fields().iter().zip(expected) {
        let canonical = canonical_schema(&one_column(field.as_ref().clone()));
        let canonical = canonical.as_ref().map(|schema| schema.field(0).data_type().clone());
        assert_eq!(canonical.map_err(|unsupported| unsupported.duckdb_type.as_str()), expected, "{name}");
    }
    let first = canonical_schema(&schema).unwrap_err();
    let text = r#"column "a" has type UTINYINT, which Delta tables do not have; cast it to SMALLINT"#;
    assert_eq!(first.to_string(), text);
    assert!(matches!(Error::from(first), Error::Unsupported(reason) if reason == text));
}

#[test]
fn other_types_are_refused_by_name_too() {
    let opaque = |name: &str| {
        let metadata = format!(r#"{{"type_name":"{name}","vendor_name":"DuckDB"}}"#);
        let name = ("ARROW:extension:name".to_owned(), "arrow.opaque".to_owned());
        let metadata = [name, ("ARROW:extension:metadata".to_owned(), metadata)].into();
        nullable("c", DataType::FixedSizeBinary(16)).with_metadata(metadata)
    };
    let extension = |name: &str| {
        let metadata = [("ARROW:extension:name".to_owned(), name.to_owned())].into();
        nullable("c", DataType::Utf8).with_metadata(metadata)
    };
    let union = UnionFields::from_fields([nullable("x", DataType::Int8)]);
    let plain = |data_type| nullable("c", data_type);
    for (field, name) in [
        (opaque("uhugeint"), "UHUGEINT"),
        (opaque("time_tz"), "TIMETZ"),
        (opaque("bignum"), "BIGNUM"),
        (opaque("\""), "arrow.opaque (an Arrow extension)"),
        (extension("geoarrow.wkb"), "GEOMETRY"),
        (extension("arrow.bool8"), "arrow.bool8 (an Arrow extension)"),
        (plain(DataType::UInt16), "USMALLINT"),
        (plain(DataType::UInt32), "UINTEGER"),
        (plain(DataType::Null), "NULL"),
        (plain(DataType::Time64(TimeUnit::Nanosecond)), "TIME_NS"),
        (plain(DataType::Timestamp(TimeUnit::Second, None)), "TIMESTAMP_S"),
        (plain(DataType::Timestamp(TimeUnit::Millisecond, None)), "TIMESTAMP_MS"),
        (plain(DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8))), "ENUM"),
        (plain(DataType::Union(union, UnionMode::Sparse)), "UNION"),
        (plain(DataType::Struct(Fields::empty())), "STRUCT()"),
        (plain(DataType::Decimal128(5, -1)), "DECIMAL(5,-1)"),
        (plain(DataType::Float16), "Float16 (of Arrow)"),
    ] {
        assert_eq!(canonical_schema(&one_column(field)).unwrap_err().duckdb_type, name);
    }
}

#[test]
fn a_nested_type_is_refused_by_its_path() {
    let inner = nullable("size", DataType::UInt8);
    let list = nullable("items", DataType::LargeList(Arc::new(nullable("l", DataType::Struct(vec![inner].into())))));
    let unsupported = canonical_schema(&one_column(list)).unwrap_err();
    assert_eq!((unsupported.column.as_str(), unsupported.duckdb_type.as_str()), ("items.element.size", "UTINYINT"));
}

#[test]
fn damaged_schemas_are_taken_or_refused_without_panic() {
    let mut noise = golden::Noise::new(7);
    let honest = encode_schema(&recorded_schema("197-DoExchange-insert.01.client.pb"));
    for _ in 0..5_000 {
        if let Ok(schema) = decode_schema("schema", &noise.mutate(&honest)) {
            let _ = canonical_schema(&schema);
        }
    }
}
