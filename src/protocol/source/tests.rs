use arrow::array::{ArrayRef, Int64Array, ListArray, NullArray, StringArray, types::Int32Type};

use super::*;

fn table() -> Schema {
    let element = Arc::new(Field::new("element", DataType::Int32, true));
    Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("tags", DataType::List(element), true),
        Field::new("name", DataType::Utf8, true),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn numbers(numbers: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(numbers.to_vec()))
}

fn counted(counts: &[Option<i64>]) -> RecordBatch {
    batch(vec![("id", numbers(&vec![Some(7); counts.len()])), (SOURCE_ROWS, numbers(counts))])
}

fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::InvalidArgument(text) | Error::Unsupported(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn columns_of_nulls_get_the_type_of_their_namesake() {
    let nulls = || Arc::new(NullArray::new(2)) as ArrayRef;
    let sent = batch(vec![("Tags", nulls()), ("other", nulls()), ("id", numbers(&[Some(1), None]))]);
    let mut shape = SourceShape::new(&sent.schema(), &table()).unwrap();
    let types: Vec<_> = shape.columns().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [table().field(1).data_type().clone(), DataType::Utf8, DataType::Int64]);
    assert_eq!(shape.columns().field(0).name(), "Tags");
    let taken = shape.take(&sent).unwrap();
    assert_eq!(taken.schema(), *shape.columns());
    assert_eq!((taken.column(0).null_count(), taken.column(1).null_count()), (2, 2));
    assert_eq!(taken.column(2), sent.column(2));
}

#[test]
fn other_columns_are_brought_into_the_engines_form() {
    let large: ArrayRef = Arc::new(arrow::array::LargeStringArray::from(vec!["x"]));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])]));
    let sent = batch(vec![("name", large), ("tags", list)]);
    let mut shape = SourceShape::new(&sent.schema(), &table()).unwrap();
    let taken = shape.take(&sent).unwrap();
    assert_eq!(taken.column(0).as_ref(), &StringArray::from(vec!["x"]) as &dyn Array);
    assert_eq!(shape.columns().field(1).data_type(), table().field(1).data_type());
}

#[test]
fn a_source_that_says_nothing_of_its_rows_may_end_anywhere() {
    let sent = batch(vec![("id", numbers(&[Some(1)]))]);
    let mut shape = SourceShape::new(&sent.schema(), &table()).unwrap();
    shape.check_complete().unwrap();
    shape.take(&sent).unwrap();
    shape.check_complete().unwrap();
}

#[test]
fn a_source_that_says_how_many_rows_it_has_must_have_them() {
    let (two, one) = (counted(&[Some(3), Some(3)]), counted(&[Some(3)]));
    let mut shape = SourceShape::new(&two.schema(), &table()).unwrap();
    assert_eq!(shape.columns().fields().len(), 1, "it is no column of the source");
    shape.check_complete().unwrap();
    assert_eq!(shape.take(&two).unwrap().num_columns(), 1);
    let text = refusal(shape.check_complete());
    assert!(text.contains("ended after 2 of 3 rows") && text.contains("MATERIALIZED"), "{text}");
    shape.take(&one).unwrap();
    shape.check_complete().unwrap();
    shape.take(&one).unwrap();
    assert!(refusal(shape.check_complete()).contains("4 of 3"));
}

#[test]
fn what_is_no_number_of_rows_is_refused() {
    for (counts, told) in [(&[Some(2), None][..], "NULL"), (&[None], "NULL"), (&[Some(2), Some(3)], "3")] {
        let sent = counted(counts);
        let mut shape = SourceShape::new(&sent.schema(), &table()).unwrap();
        let text = refusal(shape.take(&sent));
        assert!(text.contains(&format!("is {told} in one row")) && text.contains("count(*) OVER ()"), "{text}");
    }
    let text: ArrayRef = Arc::new(StringArray::from(vec!["2"]));
    let sent = batch(vec![(SOURCE_ROWS, text)]);
    assert!(refusal(SourceShape::new(&sent.schema(), &table())).contains("is not a BIGINT"));
}

#[test]
fn types_that_are_none_are_refused_by_column() {
    let letters = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8));
    let sent = Arc::new(Schema::new(vec![Field::new("mood", letters, true)]));
    let text = refusal(SourceShape::new(&sent, &table()));
    assert!(text.contains("\"mood\"") && text.contains("is of type ENUM"), "{text}");
}

#[test]
fn a_batch_of_other_columns_is_refused() {
    let sent = counted(&[Some(1)]);
    let mut shape = SourceShape::new(&sent.schema(), &table()).unwrap();
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    for other in [none, batch(vec![("id", numbers(&[Some(1)]))]), sent.project(&[1]).unwrap()] {
        let text = refusal(shape.clone().take(&other));
        assert!(text.contains("a batch of the source does not have the columns"), "{text}");
    }
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let other = batch(vec![("id", text), (SOURCE_ROWS, numbers(&[Some(1)]))]);
    refusal(shape.take(&other));
}
