//! Rows in errors.

use super::rows;
use crate::expression::render_row;

#[test]
fn a_row_is_shown_as_duckdb_prints_its_values() {
    let rows = rows(&[
        ("id", "BIGINT", &[Some("1"), None]),
        ("name", "VARCHAR", &[Some("it's"), Some("x")]),
        ("day", "DATE", &[Some("2020-01-31"), Some("infinity")]),
        ("big", "HUGEINT", &[Some("170141183460469231731687303715884105727"), None]),
        ("price", "DECIMAL(9,2)", &[Some("1.5"), Some("-2")]),
        ("ok", "BOOLEAN", &[Some("t"), None]),
        ("raw", "BLOB", &[Some("a\\x00"), None]),
    ]);
    assert_eq!(
        render_row(&rows, 0, 1000),
        "id = 1, name = 'it''s', day = '2020-01-31', big = 170141183460469231731687303715884105727, price = 1.50, \
         ok = true, raw = 'a\\x00'"
    );
    assert_eq!(
        render_row(&rows, 1, 1000),
        "id = NULL, name = 'x', day = 'infinity', big = NULL, price = -2.00, ok = NULL, raw = NULL"
    );
    assert_eq!(render_row(&rows, 2, 1000), "");
}

#[test]
fn a_row_is_no_longer_than_allowed() {
    let long = "ü".repeat(1000);
    let rows = rows(&[("id", "BIGINT", &[Some("1")]), ("name", "VARCHAR", &[Some(&long)])]);
    for bytes_max in 0..100 {
        let text = render_row(&rows, 0, bytes_max);
        assert!(text.len() <= bytes_max, "{bytes_max}: {text}");
    }
    assert_eq!(render_row(&rows, 0, 24), "id = 1, name = 'üü...");
}
