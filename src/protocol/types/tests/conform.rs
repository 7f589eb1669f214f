use arrow::{
    array::*,
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{
        Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, SchemaRef, Time64MicrosecondType,
        TimestampNanosecondType, UInt8Type, UInt64Type,
    },
};

use super::*;
use crate::engine::Error;

#[test]
fn recorded_rows_conform_to_their_table() {
    let batch = recorded_batch("016-DoExchange-insert.01.client.pb", "016-DoExchange-insert.03.client.pb");
    let target: SchemaRef = Arc::new(orders());
    let rows = conform(&batch, &target).unwrap();
    assert_eq!(rows.schema(), target);
    assert_eq!(rows.num_rows(), 2);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().values(), &[1, 2]);
    let tags = rows.column(4).as_list::<i32>();
    assert_eq!(tags.value(0).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("x"), Some("y")]);
    assert!(tags.is_null(1));
    let zip = rows.column(5).as_struct().column_by_name("zip").unwrap();
    assert_eq!(zip.as_primitive::<Int32Type>().value(0), 1);
}

#[test]
fn recorded_types_conform() {
    let batch = recorded_batch("197-DoExchange-insert.01.client.pb", "197-DoExchange-insert.03.client.pb");
    let target = Arc::new(canonical_schema(&batch.schema()).unwrap());
    let rows = conform(&batch, &target).unwrap();
    assert_eq!(rows.schema(), target);
    assert_eq!(rows.column(0).as_primitive::<UInt8Type>().value(0), 1);
    assert_eq!(rows.column(1).as_fixed_size_binary().value(0), 2_i128.to_le_bytes());
    assert_eq!(rows.column(2).as_fixed_size_binary().value(0)[6] >> 4, 4, "a random UUID says so");
    assert_eq!(rows.column(3).as_primitive::<Time64MicrosecondType>().value(0), 36_000_000_000);
    let days = IntervalMonthDayNano::new(0, 3, 0);
    assert_eq!(rows.column(4).as_primitive::<IntervalMonthDayNanoType>().value(0), days);
    assert_eq!(rows.column(5).as_binary::<i32>().value(0), [5, 0b1111_1101], "five bits of padding and 101");
    assert_eq!(rows.column(7).as_binary::<i32>().value(0), b"ab");
    let entry = rows.column(8).as_map().value(0);
    assert_eq!(entry.column(0).as_string::<i32>().value(0), "k");
    assert_eq!(entry.column(1).as_primitive::<Int32Type>().value(0), 1);
    assert!(rows.column(11).as_boolean().value(0));
    assert_eq!(rows.column(12).as_primitive::<UInt64Type>().value(0), 5);
    assert_eq!(rows.column(13).as_primitive::<TimestampNanosecondType>().value(0), 1_577_836_800_123_456_789);
    assert_eq!(rows.column(14).as_string::<i32>().value(0), r#"{"a":1}"#);
    assert_eq!(rows.column(15).as_string::<i32>().value(0), "x");
    let array = rows.column(16).as_fixed_size_list().value(0);
    assert_eq!(array.as_primitive::<Int32Type>().values(), &[1, 2, 3]);
}

/// Text, lists of text, lists of lists and structs of text: what DuckDB sends in several forms.
fn texts() -> StringArray {
    StringArray::from(vec![Some("a"), None, Some(""), Some("a text longer than a view holds inline"), Some("ü")])
}

fn lists() -> ListArray {
    let offsets = OffsetBuffer::from_lengths([2, 0, 3]);
    let nulls = NullBuffer::from(vec![true, false, true]);
    ListArray::new(Arc::new(nullable("element", DataType::Utf8)), offsets, Arc::new(texts()), Some(nulls))
}

fn assert_conforms(sent: &ArrayRef, expected: &ArrayRef) {
    let source = Arc::new(one_column(nullable("c", sent.data_type().clone())));
    let target = Arc::new(one_column(nullable("c", expected.data_type().clone())));
    assert_eq!(canonical_schema(&source).unwrap(), *target);
    let conform = Conform::new(Arc::clone(&source), Arc::clone(&target)).unwrap();
    let (sent_rows, expected_rows) = (sent.len(), expected.len());
    assert_eq!(sent_rows, expected_rows);
    let whole = conform.apply(&RecordBatch::try_new(Arc::clone(&source), vec![Arc::clone(sent)]).unwrap()).unwrap();
    assert_eq!(whole.column(0), expected);
    // A slice shares buffers with its batch and begins within them.
    let tail = conform.apply(&RecordBatch::try_new(source, vec![sent.slice(1, sent_rows - 1)]).unwrap()).unwrap();
    assert_eq!(tail.column(0), &expected.slice(1, expected_rows - 1));
}

#[test]
fn every_form_of_text_and_binaries_conforms() {
    let text: ArrayRef = Arc::new(texts());
    for form in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        assert_conforms(&cast(&text, &form).unwrap(), &text);
    }
    let binary = cast(&text, &DataType::Binary).unwrap();
    for form in [DataType::Binary, DataType::LargeBinary, DataType::BinaryView] {
        assert_conforms(&cast(&binary, &form).unwrap(), &binary);
    }
}

#[test]
fn every_form_of_lists_conforms() {
    let expected: ArrayRef = Arc::new(lists());
    let element = |data_type| Arc::new(nullable("l", data_type));
    for form in [
        DataType::List(element(DataType::Utf8)),
        DataType::LargeList(element(DataType::LargeUtf8)),
        DataType::ListView(element(DataType::Utf8View)),
        DataType::LargeListView(element(DataType::Utf8)),
    ] {
        assert_conforms(&cast(&expected, &form).unwrap(), &expected);
    }
    let nested = |inner: ArrayRef, name: &str| -> ArrayRef {
        let field = Arc::new(nullable(name, inner.data_type().clone()));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([1, 2]), inner, None))
    };
    let sent = cast(&expected, &DataType::LargeList(element(DataType::Utf8))).unwrap();
    assert_conforms(&nested(sent, "l"), &nested(expected, "element"));
}

#[test]
fn overlapping_and_backward_list_views_conform() {
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let (offsets, sizes) = (ScalarBuffer::from(vec![2, 0, 0]), ScalarBuffer::from(vec![1, 3, 2]));
    let field = Arc::new(nullable("l", DataType::Int32));
    let sent = ListViewArray::new(field, offsets, sizes, values, None);
    let expected = Int32Array::from(vec![3, 1, 2, 3, 1, 2]);
    let field = Arc::new(nullable("element", DataType::Int32));
    let expected = ListArray::new(field, OffsetBuffer::from_lengths([1, 3, 2]), Arc::new(expected), None);
    assert_conforms(&(Arc::new(sent) as ArrayRef), &(Arc::new(expected) as ArrayRef));
}

#[test]
fn maps_structs_times_and_booleans_conform() {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in [Some(("k", 1)), None, Some(("l", 2))] {
        if let Some((key, value)) = row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        builder.append(row.is_some()).unwrap();
    }
    let sent: ArrayRef = Arc::new(builder.finish());
    assert_conforms(&sent, &cast(&sent, &map_type("key_value", "key", "value")).unwrap());

    let micros = TimestampMicrosecondArray::from(vec![Some(1), None]);
    let zoned = |zone: &str| Arc::new(micros.clone().with_timezone(zone)) as ArrayRef;
    assert_conforms(&zoned("America/New_York"), &zoned("UTC"));
    let micros: ArrayRef = Arc::new(micros);
    assert_conforms(&micros, &micros);

    let text: ArrayRef = Arc::new(texts());
    let structure = |text: ArrayRef| -> ArrayRef {
        let fields = vec![nullable("text", text.data_type().clone())];
        let nulls = NullBuffer::from(vec![true, true, false, true, true]);
        Arc::new(StructArray::new(fields.into(), vec![text], Some(nulls)))
    };
    assert_conforms(&structure(cast(&text, &DataType::Utf8View).unwrap()), &structure(text));
}

#[test]
fn decimals_conform_and_must_fit_their_precision() {
    let expected = Decimal128Array::from(vec![Some(-99_999), None, Some(7)]).with_precision_and_scale(5, 2).unwrap();
    let expected: ArrayRef = Arc::new(expected);
    for form in [DataType::Decimal32(5, 2), DataType::Decimal64(5, 2), DataType::Decimal128(5, 2)] {
        assert_conforms(&cast(&expected, &form).unwrap(), &expected);
    }
    let beyond: ArrayRef = Arc::new(Decimal128Array::from(vec![100_000]).with_precision_and_scale(5, 2).unwrap());
    let within_list = Arc::new(ListArray::new(
        Arc::new(nullable("element", beyond.data_type().clone())),
        OffsetBuffer::from_lengths([1]),
        Arc::clone(&beyond),
        None,
    ));
    for array in [beyond, within_list] {
        assert!(refused(array).contains("column \"c\""));
    }
}

/// Why an array is refused by a table with its very type.
fn refused(array: ArrayRef) -> String {
    let schema = Arc::new(one_column(nullable("c", array.data_type().clone())));
    let target = Arc::new(canonical_schema(&schema).unwrap());
    let error = conform(&RecordBatch::try_new(schema, vec![array]).unwrap(), &target).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
    error.to_string()
}

#[test]
fn views_that_claim_more_than_memory_are_refused() {
    let values: ArrayRef = Arc::new(Int32Array::from_iter_values(0..10_000));
    let field = Arc::new(nullable("l", DataType::Int32));
    let (offsets, sizes) = (ScalarBuffer::from(vec![0; 2_000]), ScalarBuffer::from(vec![10_000; 2_000]));
    let views = ListViewArray::new(field, offsets, sizes, values, None);
    assert!(refused(Arc::new(views)).contains("20000000 list elements"));

    let mut text = StringViewBuilder::new().with_fixed_block_size(1 << 20);
    let block = text.append_block(vec![b'x'; 1 << 20].into());
    for _ in 0..2_100 {
        text.try_append_view(block, 0, 1 << 20).unwrap();
    }
    assert!(refused(Arc::new(text.finish())).contains("bytes in one batch are more than 2 GiB"));
}

#[test]
fn batches_that_are_not_the_tables_are_refused() {
    let target: SchemaRef =
        Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false), nullable("tags", list_type("element"))]));
    let sent = |fields: Vec<Field>| {
        let error = Conform::new(Arc::new(Schema::new(fields)), Arc::clone(&target)).unwrap_err();
        error.to_string()
    };
    let id = || nullable("id", DataType::Int64);
    assert_eq!(sent(vec![id()]), "1 columns were sent and the table has 2");
    let swapped = sent(vec![nullable("tags", list_type("l")), id()]);
    assert_eq!(swapped, r#"column "tags" was sent where the table has "id""#);
    let other_type = sent(vec![id(), nullable("tags", DataType::new_list(DataType::Int32, true))]);
    assert_eq!(other_type, r#"column "tags" was sent as INTEGER[] and is VARCHAR[] in the table"#);
    let unsupported = sent(vec![nullable("id", DataType::Null), nullable("tags", list_type("l"))]);
    assert!(unsupported.contains("NULL"), "{unsupported}");
}

#[test]
fn a_null_in_a_not_null_column_is_refused() {
    let target: SchemaRef = Arc::new(one_column(Field::new("id", DataType::Int64, false)));
    let source = Arc::new(one_column(nullable("id", DataType::Int64)));
    let batch = |values: Vec<Option<i64>>| {
        RecordBatch::try_new(Arc::clone(&source), vec![Arc::new(Int64Array::from(values))]).unwrap()
    };
    assert_eq!(conform(&batch(vec![Some(1)]), &target).unwrap().num_rows(), 1);
    let error = conform(&batch(vec![Some(1), None]), &target).unwrap_err();
    assert!(error.to_string().contains("'id'"), "{error}");
}

#[test]
fn a_batch_must_have_its_streams_columns() {
    let schema: SchemaRef = Arc::new(one_column(nullable("id", DataType::Int64)));
    let conform = Conform::new(Arc::clone(&schema), schema).unwrap();
    let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
    assert!(conform.apply(&empty).is_err());
    let other = RecordBatch::new_empty(Arc::new(one_column(nullable("id", DataType::Int32))));
    assert!(conform.apply(&other).unwrap_err().to_string().contains("\"id\""));
    assert_eq!(conform.target().fields().len(), 1);
}
