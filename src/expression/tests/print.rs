//! Expressions of one dialect in the other's SQL.

use super::{super::Dialect, rows};
use crate::{engine::Error, expression::Expression};

fn columns() -> arrow::array::RecordBatch {
    rows(&[
        ("a", "INTEGER", &[Some("1")]),
        ("big", "BIGINT", &[Some("1")]),
        ("dec", "DECIMAL(9,2)", &[Some("1")]),
        ("d", "DOUBLE", &[Some("1")]),
        ("s", "VARCHAR", &[Some("x")]),
        ("dt", "DATE", &[Some("2020-01-01")]),
        ("ts", "TIMESTAMPTZ", &[Some("2020-01-01")]),
        ("Order Id", "INTEGER", &[Some("1")]),
        ("u", "UUID", &[None]),
    ])
}

#[test]
fn duckdbs_expressions_in_sparks_sql() {
    for (duckdb, spark) in [
        ("(a > 0)", "a > 0"),
        ("((a + big) = 3)", "(a + big) = 3"),
        ("(a IS NOT NULL)", "a IS NOT NULL"),
        ("(a IN (1, 2))", "a IN (1, 2)"),
        ("(a NOT IN (1, 2))", "a NOT IN (1, 2)"),
        ("(a BETWEEN 1 AND 2)", "(a >= 1) AND (a <= 2)"),
        ("(NOT (a = 1))", "NOT (a = 1)"),
        ("(dec > 1.5)", "dec > 1.50"),
        ("(dec > 1)", "dec > 1"),
        ("(d > 1.5)", "d > 1.5e0"),
        ("(a = '5')", "a = 5"),
        ("(s ~~ 'x%')", "s LIKE 'x%'"),
        ("(s = 'it''s \\')", "s = 'it\\'s \\\\'"),
        ("(dt >= CAST('2020-01-01' AS \"DATE\"))", "dt >= DATE '2020-01-01'"),
        ("(dt >= '2020-01-01')", "dt >= DATE '2020-01-01'"),
        ("(ts >= '2020-01-01')", "ts >= TIMESTAMP '2020-01-01 00:00:00+00:00'"),
        ("(\"Order Id\" > 0)", "`Order Id` > 0"),
        ("CASE  WHEN ((a > 1)) THEN (true) ELSE (s = 'x') END", "CASE WHEN (a > 1) THEN TRUE ELSE (s = 'x') END"),
        ("(COALESCE(a, 0) > 1)", "coalesce(a, 0) > 1"),
        ("((a % 2) = 0)", "(a % 2) = 0"),
        ("((a / 2) > 1)", "(a / 2) > 1e0"),
        ("((a // 2) > 1)", "(a DIV 2) > 1"),
        ("(length(s) < 5)", "length(s) < 5"),
        ("(main.\"substring\"(s, 1, 2) = 'a')", "substring(s, 1, 2) = 'a'"),
        ("(main.date_part('year', dt) > 2000)", "year(dt) > 2000"),
        ("(a IS DISTINCT FROM big)", "a IS DISTINCT FROM big"),
        ("u IS NULL", "u IS NULL"),
    ] {
        let rows = columns();
        let expression = Expression::new(duckdb, Dialect::DuckDb, rows.schema_ref()).expect(duckdb);
        match expression.to_sql(Dialect::Spark) {
            Ok(text) => {
                assert_eq!(text, spark, "{duckdb}");
                assert!(Expression::new(spark, Dialect::Spark, rows.schema_ref()).is_ok(), "{spark} is read again");
            }
            Err(error) => assert_eq!(spark, error.to_string(), "{duckdb}"),
        }
    }
}

#[test]
fn sparks_expressions_in_duckdbs_sql() {
    for (spark, duckdb) in [
        ("a > 0 AND `Order Id` <=> 1", "(a > 0) AND (\"Order Id\" IS NOT DISTINCT FROM 1)"),
        ("a / 2 > 1", "(a / 2) > 1e0"),
        ("a / big > 1", "(a / nullif(big, 0)) > 1e0"),
        ("s LIKE 'a%' OR s = \"it's\"", "(s LIKE 'a%') OR (s = 'it''s')"),
        ("s LIKE '100\\\\%'", "s LIKE '100\\%' ESCAPE '\\'"),
        ("year(dt) * 100 + month(dt)", "(year(dt) * 100) + month(dt)"),
        ("concat(s, 'x')", "s || 'x'"),
        ("if(a > 1, nvl(big, 0L), 5)", "CASE WHEN (a > 1) THEN coalesce(big, 0) ELSE 5 END"),
        ("datediff(dt, DATE '2020-01-01') > 3", "(dt - CAST('2020-01-01' AS DATE)) > 3"),
        ("cast(a AS BIGINT)", "CAST(a AS BIGINT)"),
    ] {
        let rows = columns();
        let expression = Expression::new(spark, Dialect::Spark, rows.schema_ref()).expect(spark);
        let text = expression.to_sql(Dialect::DuckDb).expect(spark);
        assert_eq!(text, duckdb, "{spark}");
        assert!(Expression::new(duckdb, Dialect::DuckDb, rows.schema_ref()).is_ok(), "{duckdb} is read again");
    }
}

#[test]
fn what_has_no_such_form_is_named() {
    for (from, sql, to, expected) in [
        (Dialect::DuckDb, "u = u", Dialect::Spark, "the type UUID"),
        (Dialect::DuckDb, "CAST(s AS INTEGER) > 0", Dialect::Spark, "a cast from VARCHAR to INTEGER"),
        (Dialect::DuckDb, "CAST(big AS INTEGER) > 0", Dialect::Spark, "a cast from BIGINT to INTEGER"),
        (Dialect::DuckDb, "concat(s, NULL) = 'x'", Dialect::Spark, "concat"),
        (Dialect::DuckDb, "s LIKE 'a\\%'", Dialect::Spark, "LIKE with this pattern"),
        (Dialect::DuckDb, "dt + INTERVAL 1 DAY > dt", Dialect::Spark, "+"),
        (Dialect::DuckDb, "d / d > 1", Dialect::Spark, "a float / what may be zero"),
        (Dialect::DuckDb, "{'x': a} = {'x': 1}", Dialect::Spark, "a struct of values"),
        (Dialect::Spark, "date_format(dt, 'yyyy-MM')", Dialect::DuckDb, "date_format"),
        (Dialect::Spark, "cast(s AS INT)", Dialect::DuckDb, "cast"),
    ] {
        let rows = columns();
        let expression = Expression::new(sql, from, rows.schema_ref()).expect(sql);
        match expression.to_sql(to) {
            Err(Error::Unsupported(text)) => assert!(text.starts_with(expected), "{sql}: {text}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}
