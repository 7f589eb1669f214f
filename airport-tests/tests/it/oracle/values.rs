//! Columns of many types, and a few values of each: a value is known by its number, a row is a list of numbers.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array,
        IntervalMonthDayNanoArray, ListArray, MapArray, StringArray, StructArray, UInt32Array, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::{cast, concat, take},
    datatypes::{DataType, Field, Fields, IntervalMonthDayNano, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};

/// A column and the values it may have.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// As CREATE TABLE declares it.
    pub(crate) field: Field,
    /// NULL comes first.
    pub(crate) values: ArrayRef,
    /// The values as text.
    pub(crate) texts: Vec<String>,
}

impl Column {
    pub(crate) fn name(&self) -> &str {
        self.field.name()
    }

    /// The values of these numbers.
    pub(crate) fn take(&self, numbers: &[usize]) -> ArrayRef {
        let indices = UInt32Array::from_iter_values(numbers.iter().map(|number| *number as u32));
        take(&self.values, &indices, None).expect("every number is one of a value")
    }

    fn new(name: &str, values: &dyn Array) -> Self {
        let null = new_null_array(values.data_type(), 1);
        let values = concat(&[&null, values]).expect("one type");
        Self { field: Field::new(name, values.data_type().clone(), true), texts: texts(&values), values }
    }

    /// Of a type that Arrow lacks, as DuckDB marks it with `arrow_lossless_conversion`.
    fn marked(self, name: &str, metadata: &str) -> Self {
        let pair = |key: &str, value: &str| (format!("ARROW:extension:{key}"), value.to_owned());
        let marks = HashMap::from([pair("name", name), pair("metadata", metadata)]);
        Self { field: self.field.with_metadata(marks), ..self }
    }
}

/// Every cell of an array as text.
pub(crate) fn texts(array: &dyn Array) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(array, &options).expect("every type has a text form");
    (0..array.len()).map(|index| formatter.value(index).to_string()).collect()
}

/// All columns; the first few can be partitioned by.
pub(crate) fn all() -> Vec<Column> {
    let mut columns = partitionable();
    columns.extend(flat());
    columns.extend(marked());
    columns.extend(nested());
    columns
}

/// Of types that the values of partitions have a text for.
pub(crate) fn partitionable() -> Vec<Column> {
    vec![
        of_text("p_text", &DataType::Utf8, &["a", "b c/d=e%", "ünï 雪"]),
        of_text("p_int", &DataType::Int32, &["-7", "0", "42"]),
        of_text("p_date", &DataType::Date32, &["1969-12-31", "2024-02-29"]),
    ]
}

fn flat() -> Vec<Column> {
    let time = |unit, zone: Option<&str>| DataType::Timestamp(unit, zone.map(Into::into));
    let floats = [-1.5, -0.0, 0.1, f32::INFINITY, f32::NAN];
    let bytes: [&[u8]; 4] = [b"", b"\0", b"a", b"\xff\xfe"];
    vec![
        of_text("b", &DataType::Boolean, &["false", "true"]),
        of_text("i8", &DataType::Int8, &["-128", "0", "127"]),
        of_text("i64", &DataType::Int64, &["-9223372036854775808", "0", "9223372036854775807"]),
        of_text("u8", &DataType::UInt8, &["0", "255"]),
        of_text("u64", &DataType::UInt64, &["0", "9223372036854775808", "18446744073709551615"]),
        Column::new("f32", &Float32Array::from(floats.to_vec())),
        Column::new("f64", &Float64Array::from(vec![f64::NEG_INFINITY, -1.5, 5e-324, f64::NAN])),
        of_text("d9", &DataType::Decimal128(9, 2), &["-9999999.99", "0.00", "10.01"]),
        of_text(
            "d38",
            &DataType::Decimal128(38, 10),
            &["-9999999999999999999999999999", "12345678901234567890.0123456789"],
        ),
        of_text("s", &DataType::Utf8, &["", "a", "NULL", "a much longer text that is kept apart", "🦀\0"]),
        Column::new("bin", &BinaryArray::from_iter_values(bytes)),
        of_text("dt", &DataType::Date32, &["0044-03-15", "1969-12-31", "9999-12-31"]),
        of_text("t", &DataType::Time64(TimeUnit::Microsecond), &["00:00:00", "23:59:59.999999"]),
        of_text("ts", &time(TimeUnit::Microsecond, None), &["1969-12-31T23:59:59.9", "2024-01-01T00:00:00.000001"]),
        of_text("tz", &time(TimeUnit::Microsecond, Some("UTC")), &["1969-12-31T23:59:59.9Z", "2024-01-01T00:00:00Z"]),
        of_text("ts_s", &time(TimeUnit::Second, None), &["1969-12-31T23:59:59", "2024-01-01T00:00:01"]),
        of_text("ts_ns", &time(TimeUnit::Nanosecond, None), &["1969-12-31T23:59:59.999999999", "2024-01-01T00:00:00"]),
        Column::new(
            "span",
            &IntervalMonthDayNanoArray::from(vec![
                IntervalMonthDayNano::new(14, -3, 4_500_000_000),
                IntervalMonthDayNano::new(0, 0, -1_000),
            ]),
        ),
    ]
}

fn marked() -> Vec<Column> {
    let opaque = |kind: &str| format!(r#"{{"type_name":"{kind}","vendor_name":"DuckDB"}}"#);
    let sixteen = |values: [i128; 3]| {
        let bytes = values.iter().map(|value| value.to_le_bytes());
        FixedSizeBinaryArray::try_from_iter(bytes).expect("16 bytes each")
    };
    vec![
        Column::new("huge", &sixteen([i128::MIN, -5, i128::MAX])).marked("arrow.opaque", &opaque("hugeint")),
        Column::new("uuid", &sixteen([1, -1, i128::MAX])).marked("arrow.uuid", ""),
        of_text("doc", &DataType::Utf8, &[r#"{"a": [1, null]}"#, "3"]).marked("arrow.json", ""),
    ]
}

fn nested() -> Vec<Column> {
    let numbers = Int32Array::from(vec![Some(1), None, Some(5), Some(-7)]);
    let words = StringArray::from(vec![Some("p"), Some("q"), None, Some("")]);
    let record = StructArray::new(
        Fields::from(vec![Field::new("x", DataType::Int32, true), Field::new("y", DataType::Utf8, true)]),
        vec![Arc::new(numbers.clone()), Arc::new(words.clone())],
        None,
    );
    let item = |values: &dyn Array| Arc::new(Field::new("l", values.data_type().clone(), true));
    let offsets = || OffsetBuffer::new(vec![0, 0, 1, 3, 4].into());
    let list = |values: ArrayRef| Arc::new(ListArray::new(item(&values), offsets(), values, None)) as ArrayRef;
    let pairs = FixedSizeListArray::new(item(&numbers), 2, Arc::new(numbers.clone()), None);
    let (fields, arrays, _) = record.clone().into_parts();
    let some = StructArray::new(fields, arrays, Some(NullBuffer::from(vec![true, false, true, true])));
    let lists = list(Arc::new(some));
    let items = Fields::from(vec![Field::new("items", lists.data_type().clone(), true)]);
    let deep = StructArray::new(items, vec![lists], None);
    vec![
        Column::new("st", &record),
        Column::new("l", &list(Arc::new(words.clone()))),
        Column::new("ll", &list(list(Arc::new(numbers.clone())))),
        Column::new("pair", &pairs),
        Column::new("m", &map(Arc::new(StringArray::from(vec!["k", "l", "m", "k"])), Arc::new(record))),
        Column::new("deep", &deep),
    ]
}

/// A map as DuckDB names its entries.
fn map(keys: ArrayRef, values: ArrayRef) -> MapArray {
    let fields = Fields::from(vec![
        Field::new("key", keys.data_type().clone(), false),
        Field::new("value", values.data_type().clone(), true),
    ]);
    let entries = StructArray::new(fields.clone(), vec![keys, values], None);
    let entry = Field::new("entries", DataType::Struct(fields), false);
    MapArray::new(entry.into(), OffsetBuffer::new(vec![0, 2, 2, 3, 4].into()), entries, None, false)
}

fn of_text(name: &str, data_type: &DataType, texts: &[&str]) -> Column {
    let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let values = cast(&texts, data_type).expect("texts of the type");
    assert_eq!(values.null_count(), 0, "{name}: a text is none of the type");
    Column::new(name, &values)
}
