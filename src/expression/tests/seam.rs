//! Types of the seam, in and out.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array, ListArray, RecordBatch, StructArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Int32Type, Schema, TimeUnit},
};

use super::{super::Dialect, rows, value, values};
use crate::{
    engine::{Error, Extension},
    expression::Expression,
};

fn bind(sql: &str, rows: &RecordBatch) -> Expression {
    Expression::new(sql, Dialect::DuckDb, rows.schema_ref()).expect(sql)
}

#[test]
fn an_assignment_casts_to_the_column() {
    let rows = rows(&[("a", "INTEGER", &[Some("7"), None]), ("s", "VARCHAR", &[Some("12"), Some("-3")])]);
    for (sql, target) in [
        ("a", Extension::HugeInt.field("x", true)),
        ("s", Extension::HugeInt.field("x", true)),
        ("a", Extension::UHugeInt.field("x", true)),
        ("a + 0.5", Field::new("x", DataType::Int64, true)),
        ("a", Field::new("x", DataType::Decimal128(9, 2), true)),
        ("s", Extension::Json.field("x", true)),
        ("NULL", Extension::Uuid.field("x", true)),
        ("NULL", Extension::BigNum.field("x", true)),
        ("[a]", Field::new_list("x", Extension::HugeInt.field("element", true), true)),
        ("NULL", Field::new("x", DataType::Timestamp(TimeUnit::Nanosecond, None), true)),
    ] {
        let expression = bind(sql, &rows).cast_to(&target).expect(sql);
        let array = expression.evaluate(&rows).expect(sql);
        assert_eq!(array.data_type(), target.data_type(), "{sql}");
        assert_eq!(expression.result().metadata(), target.metadata(), "{sql}");
    }
    let huge = bind("a", &rows).cast_to(&Extension::HugeInt.field("x", true)).expect("a cast");
    let array = huge.evaluate(&rows).expect("values");
    assert_eq!(array.as_fixed_size_binary().value(0), 7_i128.to_le_bytes());
    assert!(array.is_null(1));
    assert_eq!(values(&huge, &rows).expect("values"), [Some("7".to_owned()), None]);
}

#[test]
fn an_assignment_that_cannot_be_is_refused() {
    let rows = rows(&[("a", "INTEGER", &[Some("300")])]);
    let narrow = bind("a", &rows).cast_to(&Field::new("x", DataType::Int8, true)).expect("a cast");
    assert!(matches!(narrow.evaluate(&rows), Err(Error::InvalidArgument(text)) if text.contains("300")));
    let date = bind("a", &rows).cast_to(&Field::new("x", DataType::Date32, true));
    assert!(matches!(date, Err(Error::InvalidArgument(text)) if text == "there is no cast from INTEGER to DATE"));
}

#[test]
fn columns_are_those_that_are_read() {
    let rows = rows(&[("a", "INTEGER", &[Some("1")]), ("b", "INTEGER", &[Some("2")]), ("c", "INTEGER", &[Some("3")])]);
    assert_eq!(bind("c + a * c", &rows).columns(), [0, 2]);
    assert_eq!(bind("1 = 1", &rows).columns(), [] as [usize; 0]);
    assert_eq!(bind("CASE WHEN b > 1 THEN 1 ELSE a END", &rows).columns(), [0, 1]);
}

#[test]
fn names_match_in_any_case_and_quoted() {
    let rows =
        rows(&[("Amount", "INTEGER", &[Some("1")]), ("a b", "INTEGER", &[Some("2")]), ("é", "INTEGER", &[Some("3")])]);
    assert_eq!(value("amount + \"a b\" + \"AMOUNT\" + É", Dialect::DuckDb, &rows).expect("a value"), "7");
    assert_eq!(value("`AMOUNT` + `a b` + `É`", Dialect::Spark, &rows).expect("a value"), "6");
    assert_eq!(value("orders.amount", Dialect::DuckDb, &rows).expect("a value"), "1");
}

#[test]
fn distinct_from_ends_before_and_and_or() {
    let rows = rows(&[("a", "INTEGER", &[Some("1")]), ("t", "VARCHAR", &[Some("x")])]);
    for (sql, expected) in [
        ("a IS NOT DISTINCT FROM 1 AND t = 'x'", "true"),
        ("t IS DISTINCT FROM 'y' OR a = 2", "true"),
        ("a = 2 AND t IS DISTINCT FROM 'x' OR true", "true"),
        ("a IS DISTINCT FROM NULL AND t IS NOT DISTINCT FROM 'y' AND true", "false"),
        ("a IS NOT DISTINCT FROM 2 - 1", "true"),
        ("false IS DISTINCT FROM a = 1", "true"),
    ] {
        for dialect in [Dialect::DuckDb, Dialect::Spark] {
            assert_eq!(value(sql, dialect, &rows).expect(sql), expected, "{sql}");
        }
    }
}

/// A child that must not be NULL, of another name, behind an offset, with hidden values under NULL.
#[test]
fn nested_columns_may_have_any_shape() {
    let items = Int32Array::from(vec![9, 1, 2, 300, 300, 3]);
    let item = Arc::new(Field::new("element", DataType::Int32, false));
    let lists = ListArray::new(
        item,
        OffsetBuffer::new(vec![0, 1, 3, 5, 6].into()),
        Arc::new(items),
        Some(vec![true, true, false, true].into()),
    );
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 300, 4]));
    let structs = StructArray::new(
        vec![Field::new("x", DataType::Int32, false)].into(),
        vec![inner],
        Some(vec![true, true, false, true].into()),
    );
    let schema = Schema::new(vec![
        Field::new("l", lists.data_type().clone(), true),
        Field::new("st", structs.data_type().clone(), true),
    ]);
    let batch = RecordBatch::try_new(schema.into(), vec![Arc::new(lists), Arc::new(structs)]).expect("a batch");
    let batch = batch.slice(1, 3);
    let texts = |sql: &str| {
        let values = values(&bind(sql, &batch), &batch).expect(sql);
        values.into_iter().map(|value| value.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(texts("CAST(l AS TINYINT[])"), ["[1, 2]", "NULL", "[3]"]);
    assert_eq!(texts("l[-1] + len(l)"), ["4", "NULL", "4"]);
    assert_eq!(texts("CAST(st AS STRUCT(x TINYINT))"), ["{'x': 2}", "NULL", "{'x': 4}"]);
    assert_eq!(texts("st.x"), ["2", "NULL", "4"]);
    assert_eq!(texts("CASE WHEN st.x = 2 THEN l ELSE [0] END"), ["[1, 2]", "[0]", "[0]"]);
    let same = bind("l", &batch).cast_to(batch.schema_ref().field(0)).expect("a cast");
    let array = same.evaluate(&batch).expect("values");
    assert_eq!(array.as_list::<i32>().value(2).as_primitive::<Int32Type>().values(), &[3]);
}

#[test]
fn a_result_says_whether_it_can_be_null() {
    let schema = Schema::new(vec![Field::new("a", DataType::Int32, false), Field::new("b", DataType::Int32, true)]);
    let nullable = |sql: &str| Expression::new(sql, Dialect::DuckDb, &schema).expect(sql).result().is_nullable();
    for sql in ["a + 1", "a > 0", "b IS NULL", "a IS DISTINCT FROM b", "coalesce(b, a)", "CAST(a AS BIGINT)"] {
        assert!(!nullable(sql), "{sql}");
    }
    for sql in ["b + 1", "a // a", "TRY_CAST(a AS TINYINT)", "CASE WHEN a > 0 THEN 1 END", "NULL", "nullif(a, 1)"] {
        assert!(nullable(sql), "{sql}");
    }
}
