use serde_json::json;

use super::*;
use crate::delta::fixtures::{definition, field, field_with, metadata, protocol};

fn table_schema(protocol: &Value, fields: &Value, configuration: &Value) -> Result<Arc<TableSchema>> {
    Ok(definition(protocol, &metadata(fields, configuration))?.schema().clone())
}

fn logical(data_type: Value) -> DataType {
    let features = crate::delta::fixtures::features(&["timestampNtz"], &["timestampNtz"]);
    let schema = table_schema(&features, &json!([field("c", data_type)]), &json!({})).unwrap();
    assert_eq!(schema.logical, schema.physical, "without column mapping both are one");
    schema.logical.field(0).data_type().clone()
}

fn list(element: DataType, nullable: bool) -> DataType {
    DataType::List(Arc::new(Field::new("element", element, nullable)))
}

#[test]
fn every_plain_type_has_its_arrow_type() {
    for (delta, arrow) in [
        ("boolean", DataType::Boolean),
        ("byte", DataType::Int8),
        ("short", DataType::Int16),
        ("integer", DataType::Int32),
        ("long", DataType::Int64),
        ("float", DataType::Float32),
        ("double", DataType::Float64),
        ("decimal(1,0)", DataType::Decimal128(1, 0)),
        ("decimal(38,38)", DataType::Decimal128(38, 38)),
        ("string", DataType::Utf8),
        ("binary", DataType::Binary),
        ("date", DataType::Date32),
        ("timestamp", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("timestamp_ntz", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ] {
        assert_eq!(logical(json!(delta)), arrow, "{delta}");
    }
}

#[test]
fn nested_types_keep_names_and_nullability() {
    let array = |element: Value, nulls: bool| json!({"type":"array","elementType":element,"containsNull":nulls});
    assert_eq!(logical(array(json!("long"), false)), list(DataType::Int64, false));
    assert_eq!(logical(array(array(json!("string"), true), false)), list(list(DataType::Utf8, true), false));
    let map = json!({"type":"map","keyType":"string","valueType":array(json!("date"), true),"valueContainsNull":false});
    let value = Field::new("value", list(DataType::Date32, true), false);
    assert_eq!(logical(map), map_type(Field::new("key", DataType::Utf8, false), value));
    let inner = json!({"type":"struct","fields":[
        field("a", json!("byte")),
        {"name":"b","type":"string","nullable":false,"metadata":{"comment":"x"}},
    ]});
    let fields = vec![Field::new("a", DataType::Int8, true), Field::new("b", DataType::Utf8, false)];
    assert_eq!(logical(inner), DataType::Struct(fields.into()));
}

#[test]
fn types_that_are_not_offered_are_refused_by_column_and_name() {
    let in_struct = |data_type: &str| json!({"type":"struct","fields":[field("b", json!(data_type))]});
    let in_list = |data_type: Value| json!({"type":"array","elementType":data_type,"containsNull":true});
    for (data_type, column, name) in [
        (json!("variant"), "a", "variant"),
        (json!("interval day to second"), "a", "interval day to second"),
        (json!("void"), "a", "void"),
        (json!("geometry(OGC:CRS84)"), "a", "geometry(OGC:CRS84)"),
        (in_struct("timestamp_nanos"), "a.b", "timestamp_nanos"),
        (in_list(in_struct("char")), "a.element.b", "char"),
        (json!({"type":"map","keyType":"variant","valueType":"long","valueContainsNull":true}), "a.key", "variant"),
        (json!({"type":"map","keyType":"long","valueType":"void","valueContainsNull":true}), "a.value", "void"),
        (json!({"type":"udt","class":"x"}), "a", "udt"),
    ] {
        let fields = json!([field("x", json!("long")), field("a", data_type)]);
        let error = table_schema(&protocol(1, 2), &fields, &json!({})).unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        assert_eq!(error.to_string(), format!("column '{column}' of table 't' has type {name}, which is not offered"));
    }
}

#[test]
fn a_schema_that_is_no_schema_is_a_broken_log() {
    let broken = json!({ "metaData": { "id": "a", "format": { "provider": "parquet", "options": {} },
        "schemaString": "{", "partitionColumns": [], "configuration": {} } });
    assert!(matches!(definition(&protocol(1, 2), &broken), Err(Error::Internal { .. })));
    let decimal = table_schema(&protocol(1, 2), &json!([field("a", json!("decimal(99,1)"))]), &json!({}));
    assert!(matches!(decimal, Err(Error::Internal { .. })));
}

fn mapped(id: i64, physical: &str, more: &[(&str, Value)]) -> Value {
    let mut metadata = json!({"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical});
    for (key, value) in more {
        metadata[key] = value.clone();
    }
    metadata
}

fn mapped_fields() -> Value {
    let inner = json!({"type":"struct","fields":[field_with("leaf", json!("long"), mapped(3, "p3", &[]))]});
    let array = json!({"type":"array","elementType":inner,"containsNull":true});
    let map = json!({"type":"map","keyType":"string","valueType":array,"valueContainsNull":true});
    let nested_ids = json!({"p1.key": 10, "p1.value": 11, "p1.value.element": 12});
    json!([
        field_with("part", json!("string"), mapped(2, "p2", &[])),
        field_with("a map", map, mapped(1, "p1", &[("delta.columnMapping.nested.ids", nested_ids)])),
    ])
}

fn id(field: &Field) -> Option<&str> {
    field.metadata().get(PARQUET_FIELD_ID).map(String::as_str)
}

#[test]
fn column_mapping_renames_and_numbers_every_level() {
    for (mode, expected) in [("name", ColumnMapping::Name), ("id", ColumnMapping::Id)] {
        let configuration = json!({"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "12"});
        let schema = table_schema(&protocol(2, 5), &mapped_fields(), &configuration).unwrap();
        assert_eq!(schema.mapping, expected);
        assert_eq!(schema.logical.field(1).name(), "a map");
        assert!(schema.logical.fields().iter().all(|field| field.metadata().is_empty()));
        let map = schema.physical.field(1);
        assert_eq!((map.name().as_str(), id(map)), ("p1", Some("1")));
        let DataType::Map(entries, _) = map.data_type() else { panic!("a map") };
        let DataType::Struct(pair) = entries.data_type() else { panic!("entries") };
        assert_eq!((id(entries), id(&pair[0]), id(&pair[1])), (None, Some("10"), Some("11")));
        let DataType::List(element) = pair[1].data_type() else { panic!("a list") };
        let DataType::Struct(fields) = element.data_type() else { panic!("a struct") };
        assert_eq!((id(element), fields[0].name().as_str(), id(&fields[0])), (Some("12"), "p3", Some("3")));
    }
}

#[test]
fn a_mode_without_the_feature_counts_for_nothing() {
    let configuration = json!({"delta.columnMapping.mode": "name"});
    let schema = table_schema(&protocol(1, 2), &mapped_fields(), &configuration).unwrap();
    assert_eq!(schema.mapping, ColumnMapping::None);
    assert_eq!(schema.physical, schema.logical);
}

#[test]
fn partition_columns_are_in_the_order_of_the_metadata() {
    let mut metadata = metadata(
        &json!([field("a", json!("long")), field("b", json!("string")), field("c", json!("date"))]),
        &json!({}),
    );
    metadata["metaData"]["partitionColumns"] = json!(["c", "a"]);
    assert_eq!(definition(&protocol(1, 2), &metadata).unwrap().schema().partition_columns, [2, 0]);
    metadata["metaData"]["partitionColumns"] = json!(["nowhere"]);
    assert!(definition(&protocol(1, 2), &metadata).is_err());
}
