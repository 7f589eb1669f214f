//! What is not offered is refused by its name, and what is no expression is told from it.

use arrow::datatypes::{Field, Schema};

use super::{super::Dialect, rows};
use crate::{
    engine::{Error, Extension},
    expression::Expression,
};

#[test]
fn what_is_not_offered_is_named() {
    let rows = rows(&[("a", "INTEGER", &[Some("1")]), ("s", "VARCHAR", &[Some("x")]), ("bits", "BIT", &[Some("01")])]);
    for (dialect, sql, expected) in [
        (Dialect::DuckDb, "regexp_matches(s, 'x')", "the function \"regexp_matches\" is not offered in expressions"),
        (
            Dialect::DuckDb,
            "a > random()",
            "the function \"random\" is not deterministic: it is not offered in expressions",
        ),
        (
            Dialect::DuckDb,
            "current_date",
            "the function \"current_date\" is not deterministic: it is not offered in expressions",
        ),
        (Dialect::DuckDb, "CAST(bits AS INTEGER)", "a cast from BIT to INTEGER is not offered in expressions"),
        (Dialect::DuckDb, "bits = bits", "comparing values of type BIT is not offered in expressions"),
        (Dialect::DuckDb, "CAST(a AS GEOMETRY)", "the type geometry is not offered in expressions"),
        (Dialect::DuckDb, "a IN (SELECT 1)", "a subquery is not offered in expressions"),
        (Dialect::DuckDb, "sum(a) > 1", "the function \"sum\" is not offered in expressions"),
        (Dialect::DuckDb, "row_number() OVER () > 1", "the function \"row_number\" is not offered in expressions"),
        (Dialect::DuckDb, "s COLLATE NOCASE = 'x'", "COLLATE is not offered in expressions"),
        (Dialect::DuckDb, "s ~ 'x'", "the operator ~ is not offered in expressions"),
        (Dialect::DuckDb, "lower(a)", "lower is not offered for (INTEGER)"),
        (Dialect::Spark, "s RLIKE 'x'", "RLIKE is not offered in expressions"),
        (
            Dialect::Spark,
            "s = 5",
            "comparing values of type VARCHAR and INTEGER is not offered in Spark's expressions: cast one explicitly",
        ),
        (Dialect::Spark, "date_format(s, 'yyyy')", "date_format is not offered for (VARCHAR, VARCHAR)"),
        (
            Dialect::Spark,
            "date_format(DATE '2020-01-01', 'EEE')",
            "the pattern \"EEE\" of date_format is not offered in expressions",
        ),
        (Dialect::Spark, "rand() > 0", "the function \"rand\" is not deterministic: it is not offered in expressions"),
    ] {
        match Expression::new(sql, dialect, rows.schema_ref()) {
            Err(Error::Unsupported(text)) => assert_eq!(text, expected, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

/// Their digits are not known here, however deep they lie.
#[test]
fn bignums_have_no_text() {
    let element = Extension::BigNum.field("element", true);
    for (field, named) in [
        (Extension::BigNum.field("n", true), "a cast from BIGNUM to VARCHAR is not offered in expressions"),
        (Field::new_list("n", element, true), "a cast from BIGNUM[] to VARCHAR is not offered in expressions"),
    ] {
        let refused = Expression::new("CAST(n AS VARCHAR)", Dialect::DuckDb, &Schema::new(vec![field]));
        assert_eq!(refused.expect_err("refused").to_string(), named);
    }
}

#[test]
fn mistakes_are_the_callers() {
    let rows = rows(&[("a", "INTEGER", &[Some("1")]), ("s", "VARCHAR", &[Some("x")])]);
    for (sql, expected) in [
        ("b > 0", "there is no column \"b\": the columns are a, s"),
        ("a >", "\"a >\" is no expression"),
        ("a b", "\"a b\" is no expression"),
        ("", "\"\" is no expression"),
        ("'x", "\"'x\" is no expression"),
        ("s < 5 AND a < s", "do not mix in a comparison"),
        ("CASE WHEN a = 1 THEN a ELSE s END", "values of type VARCHAR and INTEGER do not mix in CASE"),
        ("a AND [1]", "a value of type INTEGER[] is no condition"),
        ("a.x", "a value of type INTEGER has no field \"x\""),
        ("CAST(a AS DECIMAL(40, 2))", "DECIMAL(40, 2) is no type"),
    ] {
        match Expression::new(sql, Dialect::DuckDb, rows.schema_ref()) {
            Err(Error::InvalidArgument(text)) => assert!(text.contains(expected), "{sql}: {text}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}
