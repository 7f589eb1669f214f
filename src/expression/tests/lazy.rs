//! What a row does not take cannot fail it.

use super::{super::Dialect, rows, value, values};
use crate::{engine::Error, expression::Expression};

#[test]
fn branches_that_are_not_taken_do_not_fail() {
    let rows = rows(&[
        ("a", "INTEGER", &[Some("6"), Some("1"), None, Some("2147483647")]),
        ("b", "INTEGER", &[Some("2"), Some("0"), Some("3"), Some("1")]),
        ("s", "VARCHAR", &[Some("5"), Some("x"), None, Some("7")]),
    ]);
    for (sql, expected) in [
        ("CASE WHEN b <> 0 THEN a // b ELSE -1 END", ["3", "-1", "NULL", "2147483647"]),
        ("CASE WHEN a < 100 THEN a + 1 END", ["7", "2", "NULL", "NULL"]),
        ("CASE WHEN s <> 'x' THEN CAST(s AS INTEGER) ELSE a END", ["5", "1", "NULL", "7"]),
        ("b = 0 OR CAST(s AS INTEGER) > 5", ["false", "true", "NULL", "true"]),
        ("b <> 0 AND CAST(s AS INTEGER) > 5", ["false", "false", "NULL", "true"]),
        ("s IS NULL OR s = 'x' OR CAST(s AS INTEGER) > 5", ["false", "true", "true", "true"]),
        ("COALESCE(TRY_CAST(s AS INTEGER), CAST('y' || a AS INTEGER))", ["5", "!", "!", "7"]),
        ("COALESCE(a, CAST(s AS INTEGER))", ["6", "1", "NULL", "2147483647"]),
    ] {
        let expression = Expression::new(sql, Dialect::DuckDb, rows.schema_ref()).expect(sql);
        if expected.contains(&"!") {
            assert!(matches!(values(&expression, &rows), Err(Error::InvalidArgument(_))), "{sql}");
            continue;
        }
        let found = values(&expression, &rows).expect(sql);
        let found: Vec<&str> = found.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn failures_name_the_value() {
    let rows = rows(&[("a", "INTEGER", &[Some("2147483647")]), ("s", "VARCHAR", &[Some("x")])]);
    for (sql, expected) in [
        ("a + 1", "overflow in INTEGER: 2147483647 + 1"),
        ("CAST(s AS INTEGER)", "could not convert string 'x' to INTEGER"),
        ("CAST(a AS TINYINT)", "could not cast value 2147483647 from INTEGER to TINYINT"),
        ("a > 'x'", "could not convert string 'x' to INTEGER"),
        ("sqrt(-a)", "the square root of a negative number: sqrt(-2147483647.0)"),
    ] {
        match value(sql, Dialect::DuckDb, &rows) {
            Err(Error::InvalidArgument(text)) => assert_eq!(text, expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn no_rows_cannot_fail() {
    let rows = rows(&[("a", "INTEGER", &[])]);
    let expression = Expression::new("a > 'x' OR CAST('y' AS INTEGER) = 1", Dialect::DuckDb, rows.schema_ref());
    assert_eq!(expression.expect("it binds").evaluate(&rows).expect("nothing").len(), 0);
}
