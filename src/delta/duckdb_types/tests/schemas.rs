//! Types by name, and what becomes of names that do not fit.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use serde_json::{Value, json};

use super::{
    super::{Kind, TypeText, is_stored_as_is},
    data::{KINDS, Random, data_type},
    of_kind,
};
use crate::delta::{
    create_schema::NewSchema,
    fixtures::{definition, features, field, field_with, metadata},
    schema::{TableSchema, map_type},
};

fn table(fields: &Value) -> Arc<TableSchema> {
    let protocol = features(&["timestampNtz"], &["timestampNtz"]);
    Arc::clone(definition(&protocol, &metadata(fields, &json!({}))).unwrap().schema())
}

/// The type shown of a column that is declared so.
fn shown(delta: Value, declared: impl Into<Value>) -> DataType {
    let schema = table(&json!([field_with("c", delta, json!({"duckdb.type": declared.into()}))]));
    schema.logical.field(0).data_type().clone()
}

fn stored(delta: Value) -> DataType {
    table(&json!([field("c", delta)])).logical.field(0).data_type().clone()
}

#[allow(clippy::needless_pass_by_value, reason = "callers make the values in place")]
fn array(element: Value) -> Value {
    json!({"type": "array", "elementType": element, "containsNull": true})
}

#[allow(clippy::needless_pass_by_value, reason = "callers make the values in place")]
fn map(key: Value, value: Value) -> Value {
    json!({"type": "map", "keyType": key, "valueType": value, "valueContainsNull": true})
}

fn list_of(element: Field) -> DataType {
    DataType::List(Arc::new(element.with_name("element")))
}

#[test]
fn every_kind_goes_by_its_name() {
    for kind in KINDS {
        let field = kind.field("x", true);
        assert_eq!(Kind::of(&field), Some(kind));
        assert_eq!(Kind::named(&kind.to_string()), Some(kind), "{kind}");
        assert_eq!(Kind::named(&kind.to_string().to_lowercase()), Some(kind), "{kind}");
        assert_eq!(kind.is_plain(), is_stored_as_is(&field));
        assert_eq!(Kind::of(&Field::new("x", kind.stored(), true)).map(Kind::stored), Some(kind.stored()));
    }
    assert_eq!(Kind::named("DECIMAL( 4 , 2 )"), Some(Kind::Decimal(4, 2)));
    for none in ["", "DECIMAL", "DECIMAL(39,0)", "DECIMAL(4,5)", "DECIMAL(0,0)", "DECIMAL(4)", "DECIMAL(4,-1)", "ENUM"]
    {
        assert_eq!(Kind::named(none), None, "{none}");
    }
}

#[test]
fn texts_tell_whole_types() {
    for text in [
        "UUID",
        "UINTEGER[]",
        "INTEGER[3]",
        "INTEGER[3][]",
        "INTEGER[][100000]",
        "MAP(UUID, INTERVAL)",
        "MAP(VARCHAR, MAP(DECIMAL(4,2), TIME WITH TIME ZONE[])[2])",
        "STRUCT",
        "STRUCT[2]",
        "MAP(STRUCT, STRUCT[])",
    ] {
        assert_eq!(TypeText::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(TypeText::parse(" map ( uuid , interval [ ] ) [ 3 ] "), TypeText::parse("MAP(UUID, INTERVAL[])[3]"));
    for text in [
        "",
        "[]",
        "UUID[",
        "UUID]",
        "UUID[0]",
        "UUID[-1]",
        "UUID[100001]",
        "UUID[x]",
        "UUID UUID",
        "MAP(UUID)",
        "MAP",
        "MAP(UUID, UUID",
        "MAP(UUID, UUID))",
        "STRUCT(a UUID)",
        "DECIMAL(4,2",
        "UUID()",
        "UUID(1)",
        "é[é]",
        "UUID[99999999999999999999]",
    ] {
        assert_eq!(TypeText::parse(text), None, "{text}");
    }
}

#[test]
fn texts_of_any_depth_are_safe() {
    for text in ["MAP(".repeat(100_000), format!("UUID{}", "[]".repeat(100_000)), "MAP(UUID, ".repeat(100_000)] {
        assert_eq!(TypeText::parse(&text), None);
    }
}

#[test]
fn random_types_are_told_exactly() {
    let mut random = Random(11);
    for _ in 0..500 {
        let field = data_type(&mut random, "c", 4);
        let text = TypeText::of(&field).unwrap();
        assert_eq!(TypeText::parse(&text.to_string()), Some(text));
        let new = NewSchema::try_new(&arrow::datatypes::Schema::new(vec![field.clone()]), &[]).unwrap();
        let columns = serde_json::to_value(&new.columns).unwrap();
        let schema = table(&columns["fields"]);
        assert_eq!(schema.logical.field(0), &field);
        assert_eq!(is_stored_as_is(&field), schema.logical == schema.stored);
    }
}

#[test]
fn declared_types_are_shown_at_any_depth() {
    let uuid = of_kind("UUID");
    assert_eq!(shown(json!("string"), "UUID"), *uuid.data_type());
    assert_eq!(shown(array(json!("string")), "UUID[]"), list_of(uuid.clone()));
    let three = DataType::FixedSizeList(Arc::new(of_kind("UTINYINT").with_name("element")), 3);
    assert_eq!(shown(array(json!("short")), "UTINYINT[3]"), three);
    let pair = map_type(uuid.clone().with_name("key").with_nullable(false), of_kind("INTERVAL").with_name("value"));
    assert_eq!(shown(map(json!("string"), json!("string")), "MAP(UUID, INTERVAL)"), pair);
    let inner = json!({"type": "struct", "fields": [
        field_with("id", json!("string"), json!({"duckdb.type": "UUID"})),
        field_with("wrong", json!("string"), json!({"duckdb.type": "UTINYINT"})),
    ]});
    let fields = vec![uuid.with_name("id"), Field::new("wrong", DataType::Utf8, true)];
    let structs = DataType::Struct(fields.into());
    assert_eq!(shown(inner.clone(), "STRUCT"), structs);
    assert_eq!(shown(inner.clone(), "UUID"), structs, "the fields speak for themselves");
    let arrays = DataType::FixedSizeList(Arc::new(Field::new("element", structs.clone(), true)), 2);
    assert_eq!(shown(array(inner.clone()), "STRUCT[2]"), arrays);
    assert_eq!(shown(array(inner), json!(7)), list_of(Field::new("x", structs, true)));
}

#[test]
fn what_does_not_fit_is_shown_as_delta_has_it() {
    let strings = || array(json!("string"));
    let pairs = || map(json!("string"), json!("long"));
    for (delta, declared) in [
        (json!("string"), json!("UTINYINT")),
        (json!("long"), json!("UUID")),
        (json!("integer"), json!("UTINYINT")),
        (json!("decimal(19,0)"), json!("UBIGINT")),
        (json!("timestamp"), json!("TIMESTAMP_S")),
        (json!("string"), json!("NOTHING[")),
        (json!("string"), json!(3)),
        (json!("string"), json!({"a": "UUID"})),
        (json!("string"), json!("UUID[]")),
        (strings(), json!("UUID")),
        (strings(), json!("UTINYINT[]")),
        (strings(), json!("MAP(UUID, UUID)")),
        (strings(), json!("STRUCT")),
        (pairs(), json!("MAP(UUID, UUID)")),
        (pairs(), json!("UUID[]")),
        (json!("decimal(4,2)"), json!("DECIMAL(5,2)")),
    ] {
        assert_eq!(shown(delta.clone(), declared.clone()), stored(delta), "{declared}");
    }
}

#[test]
fn plain_columns_are_one_with_what_is_stored() {
    let schema = table(&json!([field("a", json!("long")), field("b", array(json!("string")))]));
    assert!(Arc::ptr_eq(&schema.logical, &schema.stored));
}
