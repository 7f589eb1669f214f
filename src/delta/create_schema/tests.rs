use std::sync::Arc;

use delta_kernel::schema::ColumnMetadataKey;

use super::*;
use crate::delta::schema::map_type;

fn schema(fields: Vec<Field>) -> Schema {
    Schema::new(fields)
}

fn refusal(fields: Vec<Field>, partition_columns: &[&str]) -> Error {
    let partition_columns: Vec<_> = partition_columns.iter().map(|&name| name.to_owned()).collect();
    NewSchema::try_new(&schema(fields), &partition_columns).unwrap_err()
}

fn long(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("l", element, true)))
}

#[test]
fn types_that_delta_cannot_keep_are_refused_by_column_and_type() {
    use arrow::datatypes::IntervalUnit;
    for data_type in [
        DataType::Decimal128(39, 0),
        DataType::Decimal128(3, -1),
        DataType::Decimal256(50, 0),
        DataType::LargeUtf8,
        DataType::Date64,
        DataType::Time32(TimeUnit::Second),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into())),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::FixedSizeBinary(16),
        DataType::FixedSizeList(Arc::new(long("l")), 0),
        DataType::Null,
        DataType::Struct(Fields::empty()),
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    ] {
        let nested = DataType::Struct(vec![long("a"), Field::new("b", list_of(data_type.clone()), true)].into());
        let error = refusal(vec![long("x"), Field::new("s", nested, true)], &[]);
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("column 's.b.l' has type {data_type}, which a Delta table cannot keep exactly")
        );
    }
}

/// By both names, of the extension and of what it is kept as.
#[test]
fn an_extension_of_others_is_refused_by_its_name() {
    let odd = [("ARROW:extension:name".to_owned(), "odd.type".to_owned())].into();
    let field = Field::new("o", DataType::FixedSizeBinary(3), true).with_metadata(odd);
    let expected = "column 'o' has type odd.type kept as FixedSizeBinary(3), which a Delta table cannot keep exactly";
    assert_eq!(refusal(vec![field], &[]).to_string(), expected);
}

#[test]
fn names_that_delta_cannot_tell_apart_are_refused() {
    assert_eq!(
        refusal(vec![long("a"), long("A")], &[]).to_string(),
        "column 'A' is there twice (names differ in case only)"
    );
    let inner = DataType::Struct(vec![long("b"), long("B")].into());
    assert!(matches!(refusal(vec![Field::new("s", inner, true)], &[]), Error::InvalidArgument(_)));
    assert!(matches!(refusal(vec![long("")], &[]), Error::InvalidArgument(_)));
    assert!(matches!(refusal(vec![], &[]), Error::InvalidArgument(_)));
}

#[test]
fn partitioning_needs_plain_columns_and_one_left_over() {
    let columns = || vec![long("a"), long("b"), Field::new("l", list_of(DataType::Int64), true)];
    for (partition_columns, expected) in [
        (&["nowhere"][..], "partition column 'nowhere' is not a column of the table"),
        (&["l"], "partition column 'l' has type BIGINT[]; only types without elements or fields can partition a table"),
        (&["a", "a"], "partition column 'a' is named twice"),
    ] {
        match refusal(columns(), partition_columns) {
            Error::InvalidArgument(text) => assert_eq!(text, expected),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(refusal(vec![long("a")], &["a"]), Error::InvalidArgument(_)));
    assert!(NewSchema::try_new(&schema(columns()), &["b".to_owned(), "a".to_owned()]).is_ok());
}

#[test]
fn odd_names_turn_column_mapping_on_at_any_depth() {
    let plain = NewSchema::try_new(&schema(vec![long("a.b-c'\"ü")]), &[]).unwrap();
    assert_eq!(plain.column_id_max, None);
    for name in ["a b", "a,b", "a;b", "{", "}", "(", ")", "a\nb", "a\tb", "a=b"] {
        let inner = DataType::Struct(vec![long(name)].into());
        let columns = vec![long("x"), Field::new("l", list_of(inner), true)];
        let mapped = NewSchema::try_new(&schema(columns), &[]).unwrap();
        assert_eq!(mapped.column_id_max, Some(3), "{name:?}");
        for field in mapped.columns.fields() {
            assert!(field.column_mapping_id().is_some());
            let physical = field.get_config_value(&ColumnMetadataKey::ColumnMappingPhysicalName).unwrap().to_string();
            assert!(physical.starts_with("col-"), "{physical}");
        }
    }
}

#[test]
fn timestamps_without_a_zone_are_seen_at_any_depth() {
    let ntz = DataType::Timestamp(TimeUnit::Microsecond, None);
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let map = |value| map_type(Field::new("key", DataType::Utf8, false), Field::new("value", value, true));
    let needs =
        |data_type| NewSchema::try_new(&schema(vec![Field::new("a", data_type, true)]), &[]).unwrap().timestamp_ntz;
    assert!(needs(ntz.clone()) && needs(list_of(ntz.clone())) && needs(map(list_of(ntz))));
    assert!(!needs(utc.clone()) && !needs(map(utc)));
}

#[test]
fn nesting_has_a_bound() {
    let nested = |levels: usize| (0..levels).fold(DataType::Int64, |inner, _| list_of(inner));
    let structs = |levels: usize| {
        (0..levels).fold(DataType::Int64, |inner, _| DataType::Struct(vec![Field::new("s", inner, true)].into()))
    };
    for deep in [nested as fn(usize) -> DataType, structs] {
        let fields = vec![Field::new("a", deep(NESTING_LEVELS_MAX), true)];
        assert!(NewSchema::try_new(&schema(fields), &[]).is_ok());
        let error = refusal(vec![Field::new("a", deep(NESTING_LEVELS_MAX + 1), true)], &[]);
        assert!(
            error.to_string().ends_with("nests deeper than 24 levels, which is the most that is offered"),
            "{error}"
        );
    }
}
