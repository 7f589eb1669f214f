//! Every type of Delta goes in and comes out exactly, for this server and for other readers.

use std::sync::Arc;

use airport_tests::{
    client::OnConflict,
    readers,
    rows::{rows, sorted_rows},
};
use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
        Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, Fields, Schema},
};
use serde_json::json;

use crate::support::{SALES, lake};

/// Days of 0001-01-01 and 9999-12-31, the ends of Delta's calendar.
const DAYS: [i32; 2] = [-719_162, 2_932_896];
/// Microseconds in a day.
const DAY_MICROS: i64 = 86_400_000_000;

#[tokio::test]
async fn scalars() {
    let micros = [DAYS[0] as i64 * DAY_MICROS, (DAYS[1] as i64 + 1) * DAY_MICROS - 1];
    let timestamps = || TimestampMicrosecondArray::from(vec![Some(micros[0]), Some(micros[1]), None, Some(-1)]);
    let decimal = |digits: u8, scale| {
        let most = 10_i128.pow(digits.into()) - 1;
        let values = vec![Some(most), Some(-most), None, Some(0)];
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(digits, scale).unwrap()) as ArrayRef
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
        ("bool", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("i8", Arc::new(Int8Array::from(vec![Some(i8::MIN), Some(i8::MAX), None, Some(0)]))),
        ("i16", Arc::new(Int16Array::from(vec![Some(i16::MIN), Some(i16::MAX), None, Some(0)]))),
        ("i32", Arc::new(Int32Array::from(vec![Some(i32::MIN), Some(i32::MAX), None, Some(0)]))),
        ("i64", Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(i64::MAX), None, Some(0)]))),
        ("f32", Arc::new(Float32Array::from(vec![Some(f32::MIN), Some(f32::NAN), None, Some(-0.0)]))),
        ("f64", Arc::new(Float64Array::from(vec![Some(f64::NEG_INFINITY), Some(f64::NAN), None, Some(5e-324)]))),
        ("d9", decimal(9, 9)),
        ("d18", decimal(18, 4)),
        ("d38", decimal(38, 0)),
        ("text", Arc::new(StringArray::from(vec![Some(""), Some("ünï 雪 🦆\0"), None, Some("NULL")]))),
        ("raw", Arc::new(BinaryArray::from(vec![Some(&b""[..]), Some(&b"\x00\xff"[..]), None, Some(&b"x"[..])]))),
        ("day", Arc::new(Date32Array::from(vec![Some(DAYS[0]), Some(DAYS[1]), None, Some(0)]))),
        ("local", Arc::new(timestamps())),
        ("instant", Arc::new(timestamps().with_timezone("UTC"))),
    ];
    round_trip(&RecordBatch::try_from_iter(columns).unwrap()).await;
}

#[tokio::test]
async fn nested() {
    let numbers = StructArray::from(vec![
        (field("a", DataType::Int32), Arc::new(Int32Array::from(vec![Some(1), None, None, Some(4)])) as ArrayRef),
        (field("b", DataType::Utf8), Arc::new(StringArray::from(vec![Some("x"), None, None, Some("")])) as ArrayRef),
    ]);
    // The third struct is null, not a struct of nulls like the second.
    let (fields, arrays, _) = numbers.into_parts();
    let structs = StructArray::new(fields, arrays, Some(NullBuffer::from(vec![true, true, false, true])));
    let lists = list(Arc::new(structs.clone()), &[0, 2, 2, 2, 4], &[true, true, false, true]);
    let deep = list(Arc::new(lists.clone()), &[0, 1, 1, 3, 4], &[true, true, true, true]);
    let maps = map(
        Arc::new(StringArray::from(vec!["k", "l", "k", ""])),
        Arc::new(structs.clone()),
        &[0, 2, 2, 2, 4],
        &[true, true, false, true],
    );
    let in_struct = StructArray::from(vec![
        (field("maps", maps.data_type().clone()), Arc::new(maps.clone()) as ArrayRef),
        (field("deep", deep.data_type().clone()), Arc::new(deep.clone()) as ArrayRef),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
        ("structs", Arc::new(structs)),
        ("lists", Arc::new(lists)),
        ("deep", Arc::new(deep)),
        ("maps", Arc::new(maps)),
        ("all", Arc::new(in_struct)),
    ];
    round_trip(&RecordBatch::try_from_iter(columns).unwrap()).await;
}

/// Inserts `batch` into a table of its columns and reads it back: here to the very values, by others as rows.
async fn round_trip(batch: &RecordBatch) {
    let (server, client) = lake().await;
    let nullable: Fields = batch.schema().fields().iter().map(|f| field(f.name(), f.data_type().clone())).collect();
    let table = client.create_table(SALES, "t", &Schema::new(nullable), OnConflict::Error).await.unwrap();
    for (made, asked) in table.schema.fields().iter().zip(batch.schema().fields()) {
        assert!(same_type(made.data_type(), asked.data_type()), "{asked} became {made}");
    }
    let names: Vec<_> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();

    let (changed, returned) = client.insert_returning(&table, std::slice::from_ref(batch)).await.unwrap();
    assert_eq!(changed, batch.num_rows() as u64);
    let columns: Vec<_> = names.iter().map(|name| returned[0].schema().index_of(name).unwrap()).collect();
    assert_eq!(rows(&[returned[0].project(&columns).unwrap()]), rows(std::slice::from_ref(batch)), "RETURNING");

    let scan = client.scan(&table, &names).await.unwrap();
    assert_eq!(sorted_rows(&scan.batches), rows(std::slice::from_ref(batch)));
    let path = server.table(SALES, "t");
    let expected: Vec<_> = (1..=batch.num_rows()).map(|n| vec![json!(n)]).collect();
    assert_eq!(readers::deltalake(&path, "SELECT n FROM t ORDER BY n"), expected);
    // Every column by every reader: a count of non-null values reads the column whole.
    let counts: Vec<_> = names.iter().map(|name| format!("count(\"{name}\")")).collect();
    let non_null: Vec<_> = batch.columns().iter().map(|c| json!(c.len() - c.null_count())).collect();
    let sql = format!("SELECT {} FROM t", counts.join(", "));
    assert_eq!(readers::both(&path, &sql), [non_null]);
}

/// Types apart from the names of list items and map entries, from nullability inside, and from a decimal's width.
fn same_type(left: &DataType, right: &DataType) -> bool {
    match (left, right) {
        (DataType::List(l), DataType::List(r)) => same_type(l.data_type(), r.data_type()),
        (DataType::Map(l, _), DataType::Map(r, _)) => match (l.data_type(), r.data_type()) {
            (DataType::Struct(l), DataType::Struct(r)) => same_types(l, r, false),
            _ => false,
        },
        (DataType::Struct(l), DataType::Struct(r)) => same_types(l, r, true),
        (DataType::Decimal64(p, s), DataType::Decimal128(q, t)) => (p, s) == (q, t),
        _ => left == right,
    }
}

fn same_types(left: &Fields, right: &Fields, by_name: bool) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|(l, r)| (!by_name || l.name() == r.name()) && same_type(l.data_type(), r.data_type()))
}

fn field(name: &str, data_type: DataType) -> Arc<Field> {
    Field::new(name, data_type, true).into()
}

/// A list as DuckDB names its items.
fn list(items: ArrayRef, offsets: &[i32], valid: &[bool]) -> ListArray {
    let item = field("l", items.data_type().clone());
    ListArray::new(item, OffsetBuffer::new(offsets.to_vec().into()), items, Some(NullBuffer::from(valid.to_vec())))
}

/// A map as DuckDB names its entries.
fn map(keys: ArrayRef, values: ArrayRef, offsets: &[i32], valid: &[bool]) -> MapArray {
    let key: Arc<Field> = Field::new("key", keys.data_type().clone(), false).into();
    let fields = Fields::from(vec![key, field("value", values.data_type().clone())]);
    let entries = StructArray::new(fields.clone(), vec![keys, values], None);
    let entry = Field::new("entries", DataType::Struct(fields), false).into();
    let offsets = OffsetBuffer::new(offsets.to_vec().into());
    MapArray::new(entry, offsets, entries, Some(NullBuffer::from(valid.to_vec())), false)
}
