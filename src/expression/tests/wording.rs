//! Each refusal by its words, whole: they are all that a user is told.

use arrow::{
    array::{ArrayRef, RecordBatch, StructArray, new_null_array},
    datatypes::{DataType, Field, Fields, IntervalUnit, Schema},
};

use super::{
    super::{
        Dialect, Expression,
        limits::{NESTING_MAX, TEXT_BYTES_MAX},
    },
    rows, value,
};
use crate::engine::{Error, Result};
use Dialect::{DuckDb, Spark};

/// One row of most types.
fn columns() -> RecordBatch {
    let plain = rows(&[
        ("a", "INTEGER", &[Some("1")]),
        ("s", "VARCHAR", &[Some("x")]),
        ("dt", "DATE", &[Some("2020-01-01")]),
        ("ts", "TIMESTAMPTZ", &[Some("2020-01-01 00:00:00+00")]),
        ("ntz", "TIMESTAMP", &[Some("2020-01-01")]),
        ("d", "DOUBLE", &[Some("1.5")]),
        ("f", "FLOAT", &[Some("1.5")]),
        ("dec", "DECIMAL(9,2)", &[Some("1.55")]),
        ("wide", "DECIMAL(38,30)", &[Some("1")]),
        ("bl", "BLOB", &[Some("x")]),
        ("u", "UUID", &[None]),
        ("bits", "BIT", &[Some("01")]),
    ]);
    let (mut fields, mut arrays) = (plain.schema().fields().to_vec(), plain.columns().to_vec());
    for (name, sql) in [("l", "[1, 2]"), ("st", "{'x': 1, 'y': 'a'}")] {
        let nested = Expression::new(sql, DuckDb, &plain.schema()).unwrap();
        fields.push(std::sync::Arc::new(nested.result().clone().with_name(name)));
        arrays.push(nested.evaluate(&plain).unwrap());
    }
    RecordBatch::try_new(Schema::new(fields).into(), arrays).unwrap()
}

/// That each answer is as expected: `unsupported: TEXT` or `invalid: TEXT`.
fn compare(cases: &[(Dialect, &str, &str)], answer: impl Fn(&str, Dialect) -> Result<String>) {
    let wrong = cases.iter().filter_map(|(dialect, sql, expected)| {
        let text = match answer(sql, *dialect) {
            Ok(found) => format!("is {found}"),
            Err(Error::Unsupported(text)) => format!("unsupported: {text}"),
            Err(Error::InvalidArgument(text)) => format!("invalid: {text}"),
            Err(error) => format!("{error:?}"),
        };
        (text != *expected).then(|| format!("{dialect:?} {sql}\n    expected {expected}\n    found    {text}\n"))
    });
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_is_no_expression() {
    let rows = columns();
    let cases = [
        (DuckDb, "a b", "invalid: \"a b\" is no expression: what is \"b\" at its end"),
        (DuckDb, "INTERVAL INTERVAL 1 DAY", "invalid: INTERVAL is followed by INTERVAL"),
        (DuckDb, "nullif(a)", "invalid: nullif takes 2 arguments, not 1"),
        (DuckDb, "ifnull(a)", "invalid: ifnull takes 2 arguments, not 1"),
        (Spark, "if(a = 1, 2)", "invalid: if takes 3 arguments, not 2"),
        (DuckDb, "date_part('year')", "invalid: date_part takes 2 arguments, not 1"),
        (DuckDb, "coalesce()", "invalid: COALESCE needs a value"),
        (DuckDb, "greatest()", "invalid: greatest needs a value"),
        (DuckDb, "concat()", "invalid: concat needs a value"),
        (DuckDb, "struct_pack()", "invalid: a struct needs a field"),
        (DuckDb, "{'x': 1, 'X': 2}", "invalid: a struct has two fields \"X\""),
        (DuckDb, "st.z", "invalid: there is no field \"z\": the fields are x, y"),
        (DuckDb, "l['x']", "invalid: a list's index is an integer, not VARCHAR"),
        (DuckDb, "l[1.5]", "invalid: a list's index is an integer, not DECIMAL(2,1)"),
        (DuckDb, "date_trunc('noon', dt)", "invalid: there is no part \"noon\" of DATE"),
        (DuckDb, "INTERVAL '1.5.5' DAY", "invalid: INTERVAL '1.5.5' DAY is no interval"),
        (
            DuckDb,
            "wide * wide",
            "invalid: the product of decimals needs a scale of 60, the greatest is 38: cast one to a smaller scale or \
             to DOUBLE",
        ),
        (
            DuckDb,
            "greatest(a, [1])",
            "invalid: values of type INTEGER and INTEGER[] do not mix in greatest: cast one explicitly",
        ),
        (
            DuckDb,
            "date_part('year', NULL)",
            "invalid: year of (\"NULL\") has several meanings: cast the arguments explicitly",
        ),
    ];
    compare(&cases, |sql, dialect| value(sql, dialect, &rows));
}

#[test]
fn what_is_not_offered() {
    let rows = columns();
    let cases = [
        (DuckDb, "struct_pack(1)", "unsupported: the argument \"1\" of struct_pack is not offered in expressions"),
        (DuckDb, "date_part(s, dt)", "unsupported: date_part of a part that is computed is not offered in expressions"),
        (DuckDb, "date_part('noon', dt)", "unsupported: the part \"noon\" of a date is not offered in expressions"),
        (DuckDb, "lower(DISTINCT s)", "unsupported: the clause in \"lower(DISTINCT s)\" is not offered in expressions"),
        (DuckDb, "lower(*)", "unsupported: the argument \"*\" of lower is not offered in expressions"),
        (DuckDb, "a = ?", "unsupported: the parameter \"?\" is not offered in expressions"),
        (Spark, "a = $1", "unsupported: the parameter \"$1\" is not offered in expressions"),
        (DuckDb, "bl = X'00'", "unsupported: the literal X'00' is not offered in expressions"),
        (
            DuckDb,
            "dt + INTERVAL '1-2' YEAR TO MONTH",
            "unsupported: an INTERVAL of two fields is not offered in expressions",
        ),
        (
            DuckDb,
            "dt + INTERVAL (a) SECOND",
            "unsupported: an INTERVAL of computed SECOND is not offered in expressions",
        ),
        (DuckDb, "(a, a) = (1, 2)", "unsupported: a row of values is not offered in expressions"),
        (DuckDb, "MAP {1: 2}", "unsupported: a map of values is not offered in expressions"),
        (DuckDb, "s SIMILAR TO 'x'", "unsupported: SIMILAR TO is not offered in expressions"),
        (DuckDb, "a = ANY(l)", "unsupported: ANY and ALL is not offered in expressions"),
        (DuckDb, "x -> x", "unsupported: a lambda is not offered in expressions"),
        (DuckDb, "l[1:2]", "unsupported: a slice of a list is not offered in expressions"),
        (DuckDb, "+s", "unsupported: unary + of what is no number is not offered in expressions"),
        (DuckDb, "concat(l, l)", "unsupported: concat of INTEGER[] is not offered in expressions"),
        (DuckDb, "bl || s", "unsupported: || of BLOB and another type is not offered in expressions"),
        (
            DuckDb,
            "round(dec, a)",
            "unsupported: round of a DECIMAL to digits that are computed is not offered in expressions",
        ),
        (
            DuckDb,
            "struct_extract(st, s)",
            "unsupported: struct_extract of a field that is computed is not offered in expressions",
        ),
        (DuckDb, "list_contains([], NULL)", "unsupported: list_contains of NULL is not offered in expressions"),
        (DuckDb, "CAST(l AS INTEGER[0])", "unsupported: the type an ARRAY of that size is not offered in expressions"),
        (
            DuckDb,
            "CAST(s AS MAP(INTEGER))",
            "unsupported: the type MAP of other than two types is not offered in expressions",
        ),
        (
            Spark,
            "a + s",
            "unsupported: INTEGER and VARCHAR in + are not offered in Spark's expressions: cast one explicitly",
        ),
        (
            Spark,
            "coalesce(s, a)",
            "unsupported: VARCHAR and INTEGER in COALESCE are not offered in Spark's expressions: cast one explicitly",
        ),
        (Spark, "cast(dt AS INT)", "unsupported: a cast from DATE to INTEGER is not offered in Spark's expressions"),
        (Spark, "dec / dec", "unsupported: / of decimals is not offered in Spark's expressions"),
        (Spark, "wide + wide", "unsupported: decimals of 39 digits are not offered in Spark's expressions"),
    ];
    compare(&cases, |sql, dialect| value(sql, dialect, &rows));
}

#[test]
fn what_fails_on_a_row() {
    let rows = columns();
    let cases = [
        (DuckDb, "date_trunc(s, ts)", "invalid: there is no such part: date_trunc(x, 2020-01-01 00:00:00+00)"),
        (DuckDb, "s LIKE 'x' ESCAPE 'ab'", "invalid: an escape must be one character: like_escape(x, x, ab)"),
        (
            DuckDb,
            "s LIKE '!' ESCAPE '!'",
            "invalid: a pattern must not end in its escape character: like_escape(x, !, !)",
        ),
        (
            Spark,
            "date_format(DATE '12000-01-01', 'yyyy')",
            "invalid: date_format is offered for the years 0 to 9999: date_format(12000-01-01, yyyy)",
        ),
        (
            Spark,
            "date_format(ts, concat('EEE', s))",
            "invalid: the pattern \"EEE\" of date_format is not offered: date_format(2020-01-01 00:00:00+00, EEEx)",
        ),
        (
            DuckDb,
            "substring(s, 9223372036854775807, 1)",
            "invalid: an offset or length is out of range: substring(x, 9223372036854775807, 1)",
        ),
        (
            DuckDb,
            "reverse('e\u{301}')",
            "invalid: reverse is not offered for text of combined characters: reverse(e\u{301})",
        ),
        (DuckDb, "lpad(s, 5, '')", "invalid: there is nothing to pad with: lpad(x, 5, )"),
        (DuckDb, "lpad(s, 2000000000, 'x')", "invalid: a text would exceed 16777216 bytes: lpad(x, 2000000000, x)"),
    ];
    compare(&cases, |sql, dialect| value(sql, dialect, &rows));
}

#[test]
fn what_the_other_dialect_cannot_say() {
    let rows = columns();
    let cases = [
        (DuckDb, "ceil(d) > 1", "unsupported: ceil of a float has no form of the same meaning in Spark's SQL"),
        (
            DuckDb,
            "substring(s, a, 1) = 'x'",
            "unsupported: substring of computed or negative numbers has no form of the same meaning in Spark's SQL",
        ),
    ];
    compare(&cases, |sql, dialect| {
        let expression = Expression::new(sql, dialect, rows.schema_ref())?;
        expression.to_sql(if dialect == DuckDb { Spark } else { DuckDb })
    });
}

#[test]
fn bounds_are_named() {
    let bind = |sql: &str| Expression::new(sql, DuckDb, &Schema::empty()).map(|_| String::new());
    let long = format!("'{}'", "x".repeat(TEXT_BYTES_MAX));
    let bytes = TEXT_BYTES_MAX + 2;
    let text = format!("invalid: an expression has {bytes} bytes, the greatest length is {TEXT_BYTES_MAX}");
    compare(&[(DuckDb, &long, &text)], |sql, _| bind(sql));
    let types = format!("CAST(NULL AS {}INT", "ARRAY<".repeat(NESTING_MAX + 1));
    compare(&[(DuckDb, &types, "invalid: types nest deeper than 64 levels")], |sql, _| bind(sql));
    let deep = "- ".repeat(150) + "1";
    match bind(&deep) {
        Err(Error::InvalidArgument(text)) => {
            assert!(
                text.ends_with("...\" is no expression: it is too deep, or too far from one, to be parsed"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn columns_of_other_types() {
    let odd = |data_type| Schema::new(vec![Field::new("odd", data_type, true)]);
    let bind = |schema: &Schema| match Expression::new("odd IS NULL", DuckDb, schema) {
        Err(Error::Unsupported(text)) => text,
        other => panic!("{other:?}"),
    };
    let text = "column \"odd\" is of type Duration(s), which expressions do not know";
    assert_eq!(bind(&odd(DataType::Duration(arrow::datatypes::TimeUnit::Second))), text);
    let entries = Field::new("entries", DataType::Int32, false);
    let text = "column \"odd\" is of type map of Int32, which expressions do not know";
    assert_eq!(bind(&odd(DataType::Map(entries.into(), false))), text);
    let target = Field::new("odd", DataType::Interval(IntervalUnit::DayTime), true);
    match Expression::new("1", DuckDb, &Schema::empty()).and_then(|one| one.cast_to(&target)) {
        Err(Error::InvalidArgument(text)) => {
            assert_eq!(text, "column \"odd\" is of type Interval(DayTime), which expressions do not know");
        }
        other => panic!("{other:?}"),
    }
}

/// A field of a struct that must have a value gets none.
#[test]
fn values_that_do_not_fit_their_column() {
    let fields = |nullable| Fields::from(vec![Field::new("x", DataType::Int32, nullable)]);
    let schema = Schema::new(vec![Field::new("st", DataType::Struct(fields(true)), true)]);
    let structs = StructArray::new(fields(true), vec![new_null_array(&DataType::Int32, 1)], None);
    let rows = RecordBatch::try_new(schema.clone().into(), vec![std::sync::Arc::new(structs) as ArrayRef]).unwrap();
    let target = Field::new("st", DataType::Struct(fields(false)), true);
    let copied = Expression::new("st", DuckDb, &schema).and_then(|value| value.cast_to(&target)).unwrap();
    match copied.evaluate(&rows) {
        Err(Error::InvalidArgument(text)) => {
            assert!(text.starts_with("the value of an expression does not fit its column: "), "{text}");
        }
        other => panic!("{other:?}"),
    }
}
