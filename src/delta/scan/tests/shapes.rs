//! Files that do not look like the table.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, DictionaryArray, Int8Array, Int32Array, LargeStringArray, ListArray, RecordBatch,
        StringArray, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
        UInt32Array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, Fields, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType},
};
use parquet::{
    arrow::PARQUET_FIELD_ID_META_KEY,
    data_type::{Int96, Int96Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use super::fixture::{Fixture, whole};
use crate::{
    delta::schema::ColumnMapping,
    engine::{CompareOp, Error, Predicate, Scalar, ScanRequest},
};

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn with_id(field: Field, id: i32) -> Field {
    field.with_metadata(HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_owned(), id.to_string())]))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn ints(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn is(column: &[&str], value: Scalar) -> Predicate {
    let column = column.iter().map(|name| (*name).to_owned()).collect();
    Predicate::Compare { column, op: CompareOp::Equal, value }
}

fn default() -> WriterProperties {
    WriterProperties::new()
}

/// The text of an error and of what caused it.
fn told(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[tokio::test]
async fn columns_are_found_in_any_order_and_missing_ones_are_null() {
    let inner = Fields::from(vec![field("x", DataType::Utf8), field("y", DataType::Int32)]);
    let list = DataType::List(Arc::new(field("element", DataType::Struct(inner.clone()))));
    let mut fixture = Fixture::new(Schema::new(vec![
        field("a", DataType::Int32),
        field("s", DataType::Struct(inner.clone())),
        field("l", list),
        field("gone", DataType::Utf8),
        field("all_gone", DataType::Struct(inner)),
    ]));
    // Fields of the file: other order, "x" missing, "z" unknown to the table; of "all_gone" nothing is left.
    let of_file = Fields::from(vec![field("z", DataType::Utf8), field("y", DataType::Int32)]);
    let make = |range: std::ops::Range<i32>| {
        let z = vec!["z"; range.len()];
        StructArray::new(of_file.clone(), vec![texts(&z), ints(range)], None)
    };
    let elements = Arc::new(field("item", DataType::Struct(of_file.clone())));
    let lists = ListArray::new(elements, OffsetBuffer::from_lengths([2, 1]), Arc::new(make(0..3)), None);
    let other = StructArray::new(
        Fields::from(vec![field("w", DataType::Int32)]),
        vec![ints(0..2)],
        Some(vec![true, false].into()),
    );
    let rows = batch(vec![
        ("l", Arc::new(lists)),
        ("unknown", ints(0..2)),
        ("all_gone", Arc::new(other)),
        ("s", Arc::new(make(5..7))),
        ("a", ints(1..3)),
    ]);
    fixture.write(&rows, default());

    let found = fixture.scan(&fixture.all(Predicate::Unknown)).await.unwrap();
    assert_eq!(found.schema(), fixture.schema.logical);
    assert_eq!(found.column(0), &ints(1..3));
    let s = found.column(1).as_struct();
    assert_eq!((s.column(0).null_count(), s.column(1)), (2, &ints(5..7)));
    let l = found.column(2).as_list::<i32>();
    assert_eq!(l.values().as_struct().column(1), &ints(0..3));
    assert_eq!(found.column(3).null_count(), 2);
    assert_eq!(found.column(4).null_count(), 1, "the struct is NULL where the file says so");
    assert_eq!(found.column(4).as_struct().column(0).null_count(), 2);

    let null =
        |path: &[&str]| Predicate::IsNull { column: path.iter().map(|p| (*p).to_owned()).collect(), negated: false };
    for (predicate, expected) in [
        (is(&["gone"], Scalar::Text("x".into())), 0),
        (null(&["gone"]), 2),
        (null(&["s", "x"]), 2),
        (is(&["s", "y"], Scalar::Integer(6)), 1),
        (is(&["s", "none_such"], Scalar::Integer(6)), 2),
        (is(&["none_such"], Scalar::Integer(6)), 2),
        (null(&["all_gone"]), 1),
        (null(&["all_gone", "y"]), 2),
    ] {
        let request = ScanRequest { projection: vec![0], row_id: false, predicate };
        assert_eq!(fixture.scan(&request).await.unwrap().num_rows(), expected, "{:?}", request.predicate);
    }
}

#[tokio::test]
async fn other_encodings_become_the_tables_types() {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let mut fixture = Fixture::new(Schema::new(vec![
        field("long", DataType::Int64),
        field("byte", DataType::Int8),
        field("text", DataType::Utf8),
        field("dictionary", DataType::Utf8),
        field("millis", instant.clone()),
        field("nanos", instant.clone()),
        field("local", instant),
        field("unsigned", DataType::Int64),
    ]));
    let dictionary: DictionaryArray<Int32Type> = ["x", "y", "x"].into_iter().collect();
    let rows = batch(vec![
        ("long", ints(1..4)),
        ("byte", ints(-1..2)),
        ("text", Arc::new(LargeStringArray::from(vec!["a", "b", "c"]))),
        ("dictionary", Arc::new(dictionary)),
        ("millis", Arc::new(TimestampMillisecondArray::from(vec![1, 2, 3]))),
        ("nanos", Arc::new(TimestampNanosecondArray::from(vec![1000, 2000, -3000]).with_timezone("UTC"))),
        ("local", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]))),
        ("unsigned", Arc::new(UInt32Array::from(vec![0, 1, u32::MAX]))),
    ]);
    fixture.write(&rows, default());
    let found = fixture.scan(&fixture.all(Predicate::Unknown)).await.unwrap();
    assert_eq!(found.schema(), fixture.schema.logical);
    assert_eq!(found.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!(found.column(1).as_ref(), &Int8Array::from(vec![-1, 0, 1]) as &dyn Array);
    assert_eq!(found.column(2), &texts(&["a", "b", "c"]));
    assert_eq!(found.column(3), &texts(&["x", "y", "x"]));
    assert_eq!(found.column(4).as_primitive::<TimestampMicrosecondType>().values(), &[1000, 2000, 3000]);
    assert_eq!(found.column(5).as_primitive::<TimestampMicrosecondType>().values(), &[1, 2, -3]);
    assert_eq!(found.column(6).as_primitive::<TimestampMicrosecondType>().values(), &[1, 2, 3]);
    assert_eq!(found.column(7).as_primitive::<Int64Type>().values(), &[0, 1, i64::from(u32::MAX)]);

    for (column, value, expected) in [
        ("unsigned", Scalar::Integer(u32::MAX.into()), 1),
        ("millis", Scalar::Timestamp(2000), 1),
        ("nanos", Scalar::Timestamp(-3), 1),
        ("nanos", Scalar::Timestamp(-4), 0),
        ("byte", Scalar::Integer(-1), 1),
        ("dictionary", Scalar::Text("x".into()), 2),
    ] {
        let request = fixture.all(is(&[column], value));
        assert_eq!(fixture.scan(&request).await.unwrap().num_rows(), expected, "{column}");
    }
}

/// INT96 is what old writers of Hive and Spark use; its range is beyond that of nanoseconds.
#[tokio::test]
async fn int96_is_read_as_microseconds() {
    let mut bytes = Vec::new();
    let schema = "message m { required int64 n (TIMESTAMP(NANOS,false)); optional group s { required int96 t; } }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(default())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<parquet::data_type::Int64Type>().write_batch(&[5000], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let mut year_9999 = Int96::new();
    year_9999.set_data(1_000, 0, 2_440_588 + 2_932_896); // days since the Julian epoch
    column.typed::<Int96Type>().write_batch(&[year_9999], Some(&[1]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let s = DataType::Struct(Fields::from(vec![field("t", micros.clone())]));
    let mut fixture = Fixture::new(Schema::new(vec![field("s", s), field("n", micros)]));
    fixture.add(&bytes);
    let expected = 2_932_896 * 86_400_000_000 + 1;
    let later = Predicate::Compare {
        column: vec!["s".into(), "t".into()],
        op: CompareOp::GreaterOrEqual,
        value: Scalar::Timestamp(expected),
    };
    let found = fixture.scan(&fixture.all(later)).await.unwrap();
    assert_eq!(found.column(0).as_struct().column(0).as_primitive::<TimestampMicrosecondType>().values(), &[expected]);
    assert_eq!(found.column(1).as_primitive::<TimestampMicrosecondType>().values(), &[5], "not taken for INT96");
}

#[tokio::test]
async fn what_would_be_lost_is_an_error_that_names_it() {
    let mut fixture = Fixture::new(Schema::new(vec![
        field("b", DataType::Int8),
        field("s", DataType::Struct(Fields::from(vec![field("t", DataType::Date32)]))),
        Field::new("n", DataType::Int32, false),
    ]));
    let t = StructArray::new(Fields::from(vec![field("t", DataType::Utf8)]), vec![texts(&["x", "y"])], None);
    let rows =
        batch(vec![("b", ints([1, 300])), ("s", Arc::new(t)), ("n", Arc::new(Int32Array::from(vec![Some(1), None])))]);
    fixture.write(&rows, default());
    let request = |column| ScanRequest { projection: vec![column], row_id: false, predicate: Predicate::Unknown };
    for (column, words) in
        [(0, "column b of file part-00000.parquet"), (1, "part-00000.parquet has column s.t as Utf8")]
    {
        let error = fixture.scan(&request(column)).await.unwrap_err();
        assert!(told(&error).contains(words), "{}", told(&error));
    }
    let error = fixture.scan(&request(2)).await.unwrap_err();
    assert!(told(&error).contains("part-00000.parquet"), "{}", told(&error));

    // A value that nobody asks for harms nobody.
    let first = ScanRequest { predicate: is(&["b"], Scalar::Integer(1)), ..request(2) };
    assert!(fixture.scan(&first).await.is_err(), "the filter has to look at every value");
    fixture.write(&rows, default()).deleted_inline(&[1]);
    assert_eq!(fixture.rows(&request(0), &[whole(1)]).await.unwrap().num_rows(), 1);
}

/// A struct in a list, and a map to structs, under logical and physical names, and the physical ones with ids.
fn nested_table() -> (Vec<Field>, Vec<Field>) {
    let make = |names: [&str; 6]| {
        let x = with_id(field(names[2], DataType::Int32), 12);
        let element = with_id(field("element", DataType::Struct(Fields::from(vec![x]))), 11);
        let l = with_id(field(names[1], DataType::List(Arc::new(element))), 10);
        let v = with_id(field(names[4], DataType::Utf8), 22);
        let u = with_id(field(names[5], DataType::Utf8), 23);
        let value = field("value", DataType::Struct(Fields::from(vec![v, u])));
        let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), value]);
        let entries = Field::new("key_value", DataType::Struct(entries), false);
        let m = with_id(field(names[3], DataType::Map(Arc::new(entries), false)), 20);
        vec![with_id(field(names[0], DataType::Int32), 1), l, m]
    };
    (make(["a", "l", "x", "m", "v", "u"]), make(["col-1", "col-2", "col-3", "col-4", "col-5", "col-6"]))
}

fn without_ids(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| without_ids(field)).collect()),
        DataType::List(element) => DataType::List(Arc::new(without_ids(element))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(without_ids(entries)), *sorted),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type).with_metadata(HashMap::new())
}

/// Rows of [`nested_table`] with the fields a file has.
fn nested_rows(fields: &[Field]) -> RecordBatch {
    let (DataType::List(element), DataType::Map(entries, _)) = (fields[1].data_type(), fields[2].data_type()) else {
        panic!("a list and a map")
    };
    let (DataType::Struct(x), DataType::Struct(pair)) = (element.data_type(), entries.data_type()) else {
        panic!("structs")
    };
    let DataType::Struct(value) = pair[1].data_type() else { panic!("a struct") };
    let xs = StructArray::new(x.clone(), vec![ints([7, 8, 9])], None);
    let lists = ListArray::new(Arc::clone(element), OffsetBuffer::from_lengths([1, 2]), Arc::new(xs), None);
    let values = StructArray::new(value.clone(), vec![texts(&["v1", "v2"]), texts(&["u1", "u2"])], None);
    let pairs = StructArray::new(pair.clone(), vec![texts(&["k1", "k2"]), Arc::new(values)], None);
    let maps = arrow::array::MapArray::new(Arc::clone(entries), OffsetBuffer::from_lengths([2, 0]), pairs, None, false);
    let schema = Arc::new(Schema::new(fields.to_vec()));
    RecordBatch::try_new(schema, vec![ints([1, 2]), Arc::new(lists), Arc::new(maps)]).unwrap()
}

#[tokio::test]
async fn mapped_columns_are_found_by_name() {
    let (logical, physical) = nested_table();
    let logical: Vec<Field> = logical.iter().map(without_ids).collect();
    let mut fixture = Fixture::new(Schema::new(logical.clone())).mapped(ColumnMapping::Name, physical.clone());
    let of_file: Vec<Field> = physical.iter().map(without_ids).collect();
    fixture
        .write(&nested_rows(&of_file), default())
        .stats(r#"{"numRecords":2,"minValues":{"col-1":1},"maxValues":{"col-1":2},"nullCount":{"col-1":0}}"#);
    let found = fixture.scan(&fixture.all(is(&["a"], Scalar::Integer(2)))).await.unwrap();
    assert_eq!(found, nested_rows(&logical).slice(1, 1));
    assert!(
        fixture.plan(&fixture.all(is(&["a"], Scalar::Integer(3))), 1).parts.is_empty(),
        "statistics are mapped too"
    );
}

#[tokio::test]
async fn mapped_columns_are_found_by_id() {
    let (logical, physical) = nested_table();
    let logical: Vec<Field> = logical.iter().map(without_ids).collect();
    let mut fixture = Fixture::new(Schema::new(logical.clone())).mapped(ColumnMapping::Id, physical.clone());
    // The file's names mislead: only ids count.
    let DataType::List(element) = physical[1].data_type() else { panic!("a list") };
    let x = with_id(field("col-1", DataType::Int32), 12);
    let element = element.as_ref().clone().with_data_type(DataType::Struct(Fields::from(vec![x])));
    let misleading = vec![
        physical[0].clone().with_name("col-2"),
        physical[1].clone().with_name("col-1").with_data_type(DataType::List(Arc::new(element))),
        physical[2].clone().with_name("whatever"),
    ];
    fixture.write(&nested_rows(&misleading), default());
    let found = fixture.scan(&fixture.all(is(&["a"], Scalar::Integer(1)))).await.unwrap();
    assert_eq!(found, nested_rows(&logical).slice(0, 1));

    let nameless: Vec<Field> = physical.iter().map(without_ids).collect();
    fixture.write(&nested_rows(&nameless), default());
    let error = fixture.rows(&fixture.all(Predicate::Unknown), &[whole(1)]).await.unwrap_err();
    assert!(told(&error).contains("has no ids"), "{}", told(&error));
}

#[tokio::test]
async fn partition_columns_come_from_the_log() {
    let micros = |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let columns: Vec<(&str, DataType, &str, Scalar)> = vec![
        ("b", DataType::Boolean, "true", Scalar::Boolean(true)),
        ("i8", DataType::Int8, "-5", Scalar::Integer(-5)),
        ("i16", DataType::Int16, "500", Scalar::Integer(500)),
        ("i32", DataType::Int32, "70000", Scalar::Integer(70_000)),
        ("i64", DataType::Int64, "-5000000000", Scalar::Integer(-5_000_000_000)),
        ("f32", DataType::Float32, "0.1", Scalar::Float(f64::from(0.1_f32))),
        ("f64", DataType::Float64, "NaN", Scalar::Float(f64::NAN)),
        ("dec", DataType::Decimal128(10, 3), "-1.5", Scalar::Decimal { unscaled: -1500, scale: 3 }),
        ("s", DataType::Utf8, "a/b =%20'ü\u{1f600}", Scalar::Text("a/b =%20'ü\u{1f600}".into())),
        ("bin", DataType::Binary, "\u{1}\u{7f}", Scalar::Binary(vec![1, 0x7f])),
        ("d", DataType::Date32, "1969-12-31", Scalar::Date(-1)),
        ("ts", micros(Some("UTC")), "1970-01-01T00:00:01Z", Scalar::Timestamp(1_000_000)),
        ("ntz", micros(None), "1970-01-01 00:00:00.000002", Scalar::Timestamp(2)),
    ];
    let mut fields = vec![field("data", DataType::Int32)];
    fields.extend(columns.iter().map(|(name, data_type, ..)| field(name, data_type.clone())));
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    let mut fixture = Fixture::new(Schema::new(fields)).partitioned_by(&names);
    let rows = batch(vec![("data", ints(0..3))]);
    let mut written = fixture.write(&rows, default());
    for (name, _, text, _) in &columns {
        written = written.partition(name, Some(text));
    }
    let mut written = fixture.write(&rows, default());
    for (at, name) in names.iter().enumerate() {
        written = written.partition(name, (at % 2 == 0).then_some("")); // both are NULL
    }

    let found = fixture.scan(&fixture.all(Predicate::Unknown)).await.unwrap();
    assert_eq!(found.schema(), fixture.schema.logical);
    assert_eq!(found.num_rows(), 6);
    for (name, .., value) in &columns {
        let path = vec![(*name).to_owned()];
        for row in 0..3 {
            let found = super::oracle::value(&found, &path, row).unwrap();
            assert!(super::oracle::order(&found, value).is_eq(), "{name}: {found:?}");
            assert!(super::oracle::value(&RecordBatch::clone(&fixture_rows(&fixture).await), &path, row + 3).is_none());
        }
        let equal = fixture.all(is(&[name], value.clone()));
        assert_eq!(fixture.plan(&equal, 1).parts[0].units, [whole(0)], "{name}");
        assert_eq!(fixture.scan(&equal).await.unwrap().num_rows(), 3, "{name}");
        let null = fixture.all(Predicate::IsNull { column: path, negated: false });
        assert_eq!(fixture.plan(&null, 1).parts[0].units, [whole(1)], "{name}");
    }

    // Only partition columns: nothing is decoded, but rows are counted and given ids.
    let request = ScanRequest { projection: vec![1], row_id: true, predicate: is(&["data"], Scalar::Integer(2)) };
    assert_eq!(fixture.scan(&request).await.unwrap().num_rows(), 2);
    let request = ScanRequest { projection: vec![9], row_id: false, predicate: Predicate::Unknown };
    assert_eq!(fixture.scan(&request).await.unwrap().num_rows(), 6);
}

async fn fixture_rows(fixture: &Fixture) -> RecordBatch {
    fixture.scan(&fixture.all(Predicate::Unknown)).await.unwrap()
}

#[tokio::test]
async fn a_partition_value_of_another_type_is_an_error() {
    let mut fixture = Fixture::new(Schema::new(vec![field("p", DataType::Int32)])).partitioned_by(&["p"]);
    fixture.write(&batch(vec![("data", ints(0..3))]), default()).partition("p", Some("one"));
    let request = fixture.all(is(&["p"], Scalar::Integer(1)));
    assert_eq!(fixture.plan(&request, 1).parts.len(), 1, "nothing is concluded from it");
    let error = fixture.scan(&request).await.unwrap_err();
    assert!(told(&error).contains("partition column p of file part-00000.parquet"), "{}", told(&error));
}

#[tokio::test]
async fn odd_characters_in_paths_are_taken_as_they_are() {
    let rows = batch(vec![("a", ints(0..3))]);
    for remote in [false, true] {
        let mut fixture = Fixture::of(&rows);
        fixture.remote = remote;
        fixture.write(&rows, default());
        let path = object_store::path::Path::parse("p=a%20b#c?/\u{1f600} x.parquet").unwrap();
        let moved = fixture.directory.path().join(path.as_ref());
        std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
        std::fs::rename(fixture.path_of(0), moved).unwrap();
        Arc::make_mut(&mut fixture.files[0]).path = path;
        assert_eq!(fixture_rows(&fixture).await, rows, "remote: {remote}");
    }
}

/// Inside of lists, a reader leaves out the NULLs of a struct that has none of its own, though not those below it.
#[tokio::test]
async fn structs_that_are_never_null_may_lie_in_those_that_are() {
    let inner = Fields::from(vec![Field::new("x", DataType::Utf8, false), field("y", DataType::Int32)]);
    let outer = Fields::from(vec![Field::new("inner", DataType::Struct(inner.clone()), false)]);
    let nulls = Some(NullBuffer::from(vec![true, false, true]));
    let innermost = StructArray::new(inner, vec![texts(&["a", "b", "c"]), ints([1, 2, 3])], None);
    let structs = StructArray::new(outer.clone(), vec![Arc::new(innermost)], nulls);
    let element = Arc::new(field("element", DataType::Struct(outer)));
    let lists = ListArray::new(element, OffsetBuffer::from_lengths([2, 1]), Arc::new(structs), None);
    let batch = batch(vec![("l", Arc::new(lists))]);
    let mut fixture = Fixture::of(&batch);
    fixture.write(&batch, default());
    let read = fixture.scan(&fixture.all(Predicate::Unknown)).await.unwrap();
    let found = read.column(0).as_list::<i32>().values();
    assert!(found.is_valid(0) && found.is_null(1) && found.is_valid(2));
    let texts = found.as_struct().column(0).as_struct().column(0).as_string::<i32>();
    assert_eq!((texts.value(0), texts.value(2)), ("a", "c"));
}
