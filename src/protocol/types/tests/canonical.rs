use arrow::datatypes::{IntervalUnit, UnionFields, UnionMode};

use super::*;
use crate::{
    engine::{Error, Extension},
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
fn recorded_types_are_taken() {
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let plain = nullable;
    let extension = |name, extension: Extension| extension.field(name, true);
    let element = Arc::new(nullable("element", DataType::Int32));
    let expected = Schema::new(vec![
        plain("a", DataType::UInt8),
        extension("b", Extension::HugeInt),
        extension("c", Extension::Uuid),
        plain("d", DataType::Time64(TimeUnit::Microsecond)),
        plain("e", DataType::Interval(IntervalUnit::MonthDayNano)),
        extension("f", Extension::Bit),
        plain("g", micros(Some("UTC"))),
        plain("h", DataType::Binary),
        plain("i", map_type("key_value", "key", "value")),
        plain("j", DataType::Date32),
        plain("k", DataType::Float64),
        plain("l", DataType::Boolean),
        plain("m", DataType::UInt64),
        plain("n", DataType::Timestamp(TimeUnit::Nanosecond, None)),
        extension("o", Extension::Json),
        // An ENUM in the table's definition: the client sends what its catalog says, VARCHAR.
        plain("p", DataType::Utf8),
        plain("q", DataType::FixedSizeList(element, 3)),
    ]);
    assert_eq!(canonical_schema(&recorded_schema("197-DoExchange-insert.01.client.pb")).unwrap(), expected);
}

fn with_extension(data_type: DataType, name: &str, metadata: &str) -> Field {
    let pair = |key: &str, value: &str| (format!("ARROW:extension:{key}"), value.to_owned());
    nullable("c", data_type).with_metadata([pair("name", name), pair("metadata", metadata)].into())
}

fn opaque(data_type: DataType, name: &str) -> Field {
    with_extension(data_type, "arrow.opaque", &format!(r#"{{"type_name":"{name}","vendor_name":"DuckDB"}}"#))
}

#[test]
fn other_types_and_layouts_are_taken() {
    let dictionary = |key| DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
    let plain = |data_type| (nullable("c", data_type), None);
    let extension = |field, extension: Extension| (field, Some(extension));
    for ((field, extension), expected) in [
        (plain(DataType::UInt16), DataType::UInt16),
        (plain(DataType::UInt32), DataType::UInt32),
        (plain(DataType::Time64(TimeUnit::Nanosecond)), DataType::Time64(TimeUnit::Nanosecond)),
        (plain(DataType::Timestamp(TimeUnit::Second, None)), DataType::Timestamp(TimeUnit::Second, None)),
        (plain(DataType::Timestamp(TimeUnit::Millisecond, None)), DataType::Timestamp(TimeUnit::Millisecond, None)),
        (plain(dictionary(DataType::UInt8)), DataType::Utf8),
        (plain(dictionary(DataType::UInt32)), DataType::Utf8),
        (
            extension(opaque(DataType::FixedSizeBinary(16), "uhugeint"), Extension::UHugeInt),
            DataType::FixedSizeBinary(16),
        ),
        (extension(opaque(DataType::FixedSizeBinary(8), "time_tz"), Extension::TimeTz), DataType::FixedSizeBinary(8)),
        (extension(opaque(DataType::BinaryView, "bignum"), Extension::BigNum), DataType::Binary),
        (extension(opaque(DataType::LargeBinary, "bit"), Extension::Bit), DataType::Binary),
        (extension(with_extension(DataType::Utf8View, "arrow.json", "{}"), Extension::Json), DataType::Utf8),
    ] {
        let canonical = canonical_schema(&one_column(field.clone())).unwrap();
        assert_eq!(canonical.field(0).data_type(), &expected, "{field}");
        assert_eq!(Extension::of(canonical.field(0)), extension, "{field}");
        assert_eq!(canonical.field(0).metadata().is_empty(), extension.is_none(), "{field}");
    }
}

#[test]
fn other_types_are_refused_by_name() {
    let union = UnionFields::from_fields([nullable("x", DataType::Int8)]);
    let plain = |data_type| nullable("c", data_type);
    let array = |length| DataType::FixedSizeList(Arc::new(nullable("", DataType::UInt8)), length);
    for (field, name) in [
        (opaque(DataType::FixedSizeBinary(16), "\""), "arrow.opaque (an Arrow extension)"),
        (opaque(DataType::FixedSizeBinary(16), "variant"), "variant (an Arrow extension)"),
        (opaque(DataType::FixedSizeBinary(8), "hugeint"), "HUGEINT in FixedSizeBinary(8) (of Arrow)"),
        (with_extension(DataType::Binary, "arrow.uuid", ""), "UUID in Binary (of Arrow)"),
        (with_extension(DataType::Binary, "arrow.json", ""), "JSON in Binary (of Arrow)"),
        (with_extension(DataType::Binary, "geoarrow.wkb", "{}"), "GEOMETRY"),
        (with_extension(DataType::Utf8, "arrow.bool8", ""), "arrow.bool8 (an Arrow extension)"),
        (plain(DataType::Null), "NULL"),
        (plain(DataType::Union(union, UnionMode::Sparse)), "UNION"),
        (plain(DataType::Struct(Fields::empty())), "STRUCT()"),
        (plain(DataType::Decimal128(5, -1)), "DECIMAL(5,-1)"),
        (plain(DataType::Float16), "Float16 (of Arrow)"),
        (plain(DataType::Date64), "Date64 (of Arrow)"),
        (plain(DataType::Time32(TimeUnit::Second)), "Time32(s) (of Arrow)"),
        (plain(DataType::Interval(IntervalUnit::DayTime)), "Interval(DayTime) (of Arrow)"),
        (plain(array(0)), "UTINYINT[0]"),
        (plain(array(100_001)), "UTINYINT[100001]"),
        (plain(DataType::FixedSizeBinary(16)), "FixedSizeBinary(16) (of Arrow)"),
    ] {
        assert_eq!(canonical_schema(&one_column(field)).unwrap_err().duckdb_type, name);
    }
    let union = DataType::Union(UnionFields::from_fields([nullable("x", DataType::Int8)]), UnionMode::Sparse);
    let union = canonical_schema(&one_column(plain(union))).unwrap_err();
    assert!(union.to_string().ends_with("; cast it to a STRUCT with a field for each member"), "{union}");
    let refused = canonical_schema(&one_column(plain(DataType::Null))).unwrap_err();
    let text = r#"column "c" has type NULL, which is not offered; cast it to a type that has values"#;
    assert_eq!(refused.to_string(), text);
    assert!(matches!(Error::from(refused), Error::Unsupported(reason) if reason == text));
}

#[test]
fn nested_types_keep_their_extensions() {
    let uuid = |name: &str| Extension::Uuid.field(name, true);
    let comment = ("comment".to_owned(), "lost".to_owned());
    let inner = uuid("l").with_metadata(Extension::Uuid.metadata().into_iter().chain([comment]).collect());
    let list =
        nullable("items", DataType::LargeList(Arc::new(nullable("l", DataType::FixedSizeList(Arc::new(inner), 2)))));
    let expected = DataType::FixedSizeList(Arc::new(uuid("element")), 2);
    let expected = DataType::List(Arc::new(nullable("element", expected)));
    assert_eq!(canonical_schema(&one_column(list)).unwrap(), one_column(nullable("items", expected)));
}

#[test]
fn a_nested_type_is_refused_by_its_path() {
    let inner = nullable("size", DataType::Null);
    let list = nullable("items", DataType::LargeList(Arc::new(nullable("l", DataType::Struct(vec![inner].into())))));
    let unsupported = canonical_schema(&one_column(list)).unwrap_err();
    assert_eq!((unsupported.column.as_str(), unsupported.duckdb_type.as_str()), ("items.element.size", "NULL"));
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
