//! Which expressions are a column, and the same over other columns.

use super::{super::Dialect, rows, values};
use crate::expression::Expression;

fn batch() -> arrow::array::RecordBatch {
    rows(&[
        ("i", "INTEGER", &[Some("1"), Some("-3"), None]),
        ("t", "TINYINT", &[Some("1"), Some("-3"), None]),
        ("b", "BIGINT", &[Some("1"), Some("-3"), None]),
        ("h", "HUGEINT", &[Some("1"), Some("-3"), None]),
        ("u", "UBIGINT", &[Some("1"), Some("3"), None]),
        ("d", "DECIMAL(9, 2)", &[Some("1.25"), Some("-3"), None]),
        ("f", "FLOAT", &[Some("1.5"), Some("-3"), None]),
        ("s", "VARCHAR", &[Some("x"), Some("10"), None]),
        ("dt", "DATE", &[Some("2024-01-02"), Some("1969-01-01"), None]),
        ("ts", "TIMESTAMP", &[Some("2024-01-02 03:04:05"), Some("1969-01-01"), None]),
    ])
}

#[test]
fn a_column_and_exact_casts_of_it_are_one() {
    let batch = batch();
    let column = |sql: &str| {
        let column = Expression::new(sql, Dialect::DuckDb, batch.schema_ref()).expect(sql).as_column();
        column.map(|column| batch.schema().field(column).name().clone())
    };
    for (sql, name) in [
        ("i", "i"),
        ("(t)", "t"),
        ("i::BIGINT", "i"),
        ("TRY_CAST(i AS HUGEINT)", "i"),
        ("u::HUGEINT", "u"),
        ("i::DECIMAL(12, 2)", "i"),
        ("i::DOUBLE", "i"),
        ("t::FLOAT", "t"),
        ("t::INTEGER::BIGINT::DECIMAL(20, 0)", "t"),
        ("d::DECIMAL(10, 3)", "d"),
        ("f::DOUBLE", "f"),
        ("dt::TIMESTAMP", "dt"),
        ("ts::TIMESTAMPTZ", "ts"),
    ] {
        assert_eq!(column(sql).as_deref(), Some(name), "{sql}");
    }
    for sql in [
        "1",
        "i + 0",
        "-i",
        "b::INTEGER",
        "i::DECIMAL(11, 2)",
        "i::FLOAT",
        "b::DOUBLE",
        "u::BIGINT",
        "h::DECIMAL(38, 0)",
        "h::UHUGEINT",
        "d::DECIMAL(9, 3)",
        "d::DECIMAL(9, 1)",
        "d::DOUBLE",
        "f::DECIMAL(9, 2)",
        "i::VARCHAR",
        "s::INTEGER",
        "s::JSON",
        "ts::DATE",
        "ts::TIMESTAMP_S",
        "TRY_CAST(dt AS TIMESTAMP)",
        "i::BOOLEAN",
        "coalesce(i, i)",
    ] {
        assert_eq!(column(sql), None, "{sql}");
    }
}

#[test]
fn an_assignment_to_a_wider_column_is_still_the_column() {
    let batch = batch();
    let narrow = Expression::new("t", Dialect::DuckDb, batch.schema_ref()).expect("a column");
    let wide = narrow.cast_to(batch.schema_ref().field(2)).expect("a cast");
    assert_eq!(wide.as_column(), Some(1));
}

#[test]
fn an_expression_goes_over_fewer_columns_in_another_order() {
    let batch = batch();
    let sum = Expression::new("b * 10 + t", Dialect::DuckDb, batch.schema_ref()).expect("a sum");
    let fewer = sum.over(&[2, 7, 1]).expect("its columns");
    assert_eq!(fewer.columns(), [0, 2]);
    assert_eq!(fewer.result(), sum.result());
    let projected = batch.project(&[2, 7, 1]).expect("columns");
    assert_eq!(values(&fewer, &projected).expect("values"), values(&sum, &batch).expect("values"));
    assert!(matches!(sum.over(&[2, 7]), Err(crate::engine::Error::Internal { .. })));
    let column = Expression::new("t::BIGINT", Dialect::DuckDb, batch.schema_ref()).expect("a column");
    assert_eq!(column.over(&[2, 7, 1]).expect("its column").as_column(), Some(2));
}

#[test]
fn a_constant_is_the_same_in_each_row() {
    let batch = batch();
    let one = Expression::constant(batch.column(0), batch.schema_ref().field(0)).expect("a constant");
    assert_eq!(
        values(&one, &batch).expect("values"),
        [Some("1".to_owned()), Some("1".to_owned()), Some("1".to_owned())]
    );
    let field = arrow::datatypes::Field::new_dictionary(
        "x",
        arrow::datatypes::DataType::Int8,
        arrow::datatypes::DataType::Utf8,
        true,
    );
    let refused = Expression::constant(batch.column(0), &field).expect_err("of no known type").to_string();
    assert!(refused.starts_with("expressions do not know the type "), "{refused}");
}
