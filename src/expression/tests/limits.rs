//! Bounds on what is parsed, and that what is within them fits a small stack.

use arrow::datatypes::Schema;

use super::super::{
    Dialect, Expression,
    limits::{LIST_MAX, NESTING_MAX, TEXT_BYTES_MAX},
};
use crate::engine::Error;

fn refusal(sql: &str, dialect: Dialect) -> String {
    match Expression::new(sql, dialect, &Schema::empty()) {
        Err(Error::InvalidArgument(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_bound_is_named() {
    for dialect in [Dialect::DuckDb, Dialect::Spark] {
        let long = format!("'{}'", "x".repeat(TEXT_BYTES_MAX));
        assert!(refusal(&long, dialect).contains(&TEXT_BYTES_MAX.to_string()));
        let deep = format!("{}1{}", "(".repeat(NESTING_MAX + 1), ")".repeat(NESTING_MAX + 1));
        assert!(refusal(&deep, dialect).contains("64 levels of parentheses"));
        let list = format!("1 IN ({})", vec!["1"; LIST_MAX + 1].join(","));
        assert!(refusal(&list, dialect).contains("4097 values, the most is 4096"));
        let chain = vec!["1"; 300].join(" + ");
        assert!(refusal(&chain, dialect).contains("more than 256 operations deep"));
        let mut twice = "1".to_owned();
        for _ in 0..30 {
            twice = format!("nullif({twice}, 1)");
        }
        assert!(refusal(&twice, dialect).contains("more than 40000 operations, operands of BETWEEN, CASE and NULLIF"));
        let rope = vec!["1"; 20_000].join("+");
        assert!(refusal(&rope, dialect).contains("names and operators in one row"));
    }
}

/// A thread of the server has 2 MiB, and debug builds use more of it.
#[test]
fn what_is_within_the_bounds_fits_the_stack() {
    let run = || {
        for sql in [
            format!("{}1{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)),
            format!("{}1{}", "abs(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)),
            format!("{}1 = 1{}", "NOT (".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)),
            format!("{}1", "-".repeat(200).replace('-', "- ")),
            vec!["1"; 250].join(" + "),
            vec!["1"; 3900].join(" + "),
            vec!["a"; 1900].join(" || "),
            vec!["1 = 1"; 600].join(" OR "),
            vec!["1 = 1"; 500].join(" AND "),
            format!("1 IN ({})", vec!["1"; LIST_MAX].join(",")),
            format!("{}1{}", "CASE WHEN 1 = 1 THEN ".repeat(60), " END".repeat(60)),
            format!("{}1{}", "CASE WHEN (".repeat(60), ") = 1 THEN 1 END".repeat(60)),
            format!("{}1{}", "[".repeat(NESTING_MAX), "]".repeat(NESTING_MAX)),
            format!("CAST(NULL AS INTEGER{})", "[]".repeat(100)),
            format!("{}1{}", "{'a': ".repeat(NESTING_MAX), "}".repeat(NESTING_MAX)),
            "NOT ".repeat(1000),
            "CASE ".repeat(1000),
            "CAST(".repeat(60),
            "a.".repeat(2000),
            "1::INT".to_owned() + &"::INT".repeat(1000),
        ] {
            for dialect in [Dialect::DuckDb, Dialect::Spark] {
                let bound = Expression::new(&sql, dialect, &Schema::empty());
                if let Ok(expression) = bound {
                    let _ = expression.to_sql(Dialect::DuckDb);
                    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(1));
                    let row = arrow::array::RecordBatch::try_new_with_options(Schema::empty().into(), vec![], &options);
                    let _ = expression.evaluate(&row.expect("a row of no columns"));
                }
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    assert!(thread.join().is_ok());
}

/// The parser tries again what it could not parse: that must not multiply with each level.
#[test]
fn unclosed_text_is_refused_at_once() {
    let openers = [
        "CAST(",
        "TRY_CAST(",
        "CASE WHEN ",
        "CASE ",
        "INTERVAL ",
        "INTERVAL (",
        "POSITION(",
        "a.b(",
        "a.b.c(",
        "{fn f(",
        "{'a': ",
        "EXTRACT(YEAR FROM ",
        "SUBSTRING(",
        "TRIM(",
        "TRIM(BOTH ",
        "CEIL(",
        "FLOOR(",
        "a IN (",
        "a IN ((",
        "a IN (SELECT(",
        "(SELECT ",
        "EXISTS (SELECT ",
        "NOT EXISTS (",
        "[",
        "ARRAY[",
        "MAP {",
        "a[",
        "f(x := ",
        "f(",
        "(",
        "((a, b) -> ",
        "LAMBDA x: ",
        "STRUCT(",
        "CAST(a AS STRUCT(a ",
        "a BETWEEN ",
        "a LIKE ",
        "DATE ",
        "CONVERT(",
        "OVERLAY(",
        "a::",
        "a IS DISTINCT FROM ",
        "a COLLATE ",
        "a AT TIME ZONE ",
        "- ",
        "NOT ",
        "f(DISTINCT ",
        "a.",
        "f() OVER (PARTITION BY ",
        "CAST(a AS ARRAY<",
        "ARRAY<",
        "STRUCT<a: ",
        "CAST(a AS MAP<INT, ",
        "MAP<INT, ",
        "PRIOR ",
        "CAST(a AS MAP(INT, ",
        "NULLABLE(",
        "TUPLE(",
        "a -> ",
        "a:b",
        "a ? ",
        "CASE a WHEN ",
        "ROW(",
        "a NOTNULL ",
        "X ",
        "`a`(",
        "\"a\"(",
        "array(",
        "map(",
        "if(",
        "transform(a, x -> ",
    ];
    let started = std::time::Instant::now();
    for opener in openers {
        for dialect in [Dialect::DuckDb, Dialect::Spark] {
            for (times, closing) in [(60, ""), (60, "1"), (60, "1)"), (60, "'x'"), (3000, "")] {
                let sql = format!("{}{closing}", opener.repeat(times));
                let bound = Expression::new(&sql, dialect, &Schema::empty());
                assert!(bound.is_err() || opener.starts_with(['-', 'N']), "{sql}");
            }
        }
    }
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}
