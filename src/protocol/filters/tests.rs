//! What DuckDB 1.5.5 pushes down, and what becomes of it.

use std::fmt::Write;

use super::*;
use crate::{
    engine::{ColumnPath, CompareOp, Scalar},
    protocol::{
        action::{ActionRequest, Endpoints},
        golden,
    },
};

/// `WHERE` and `json_filters` of scans by a real client, over the columns b BOOLEAN, i8 to i64, f FLOAT, d DOUBLE,
/// dec4 DECIMAL(4,1) to dec38 DECIMAL(38,10), s VARCHAR, bin BLOB, dt DATE, ts TIMESTAMP, tz TIMESTAMPTZ,
/// st STRUCT(A INTEGER, n STRUCT(x VARCHAR)), l INTEGER[], m MAP(VARCHAR, INTEGER).
const RECORDED: &str = include_str!("../../../airport-tests/golden/filters-duckdb-1.5.5.jsonl");

/// Likewise over the columns u8 UTINYINT to u64 UBIGINT, h HUGEINT, uh UHUGEINT, id UUID, ti TIME, tn TIME_NS, tz TIMETZ,
/// s TIMESTAMP_S, ms TIMESTAMP_MS, ns TIMESTAMP_NS, iv INTERVAL, bi BIT, bn BIGNUM, js JSON, ar INTEGER[2],
/// st STRUCT(u UBIGINT, id UUID, h HUGEINT, s TIMESTAMP_S), i64 BIGINT, ts TIMESTAMP, dt DATE.
const RECORDED_TYPES: &str = include_str!("../../../airport-tests/golden/types-filters-duckdb-1.5.5.jsonl");

/// `WHERE`, a tab, and the predicate as [`shown`].
const EXPECTED: &str = include_str!("expected.txt");
const EXPECTED_TYPES: &str = include_str!("expected_types.txt");

fn recorded() -> impl Iterator<Item = (String, String)> {
    recordings(RECORDED).chain(recordings(RECORDED_TYPES))
}

fn recordings(recorded: &'static str) -> impl Iterator<Item = (String, String)> {
    recorded.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (text("where"), text("json_filters"))
    })
}

#[test]
fn translates_every_recorded_filter() {
    let mut actual = String::new();
    for (sql, json_filters) in recorded() {
        let filters = Filters::parse(json_filters.as_bytes()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        writeln!(actual, "{sql}\t{}", shown(&filters.predicate)).unwrap();
    }
    let expected = [EXPECTED, EXPECTED_TYPES].concat();
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(actual, expected);
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

/// A predicate as one line.
fn shown(predicate: &Predicate) -> String {
    let not = |negated: &bool| if *negated { "not " } else { "" };
    match predicate {
        Predicate::Unknown => "unknown".to_owned(),
        Predicate::Compare { column, op, value } => format!("{} {} {}", path(column), symbol(*op), scalar(value)),
        Predicate::In { column, values, negated } => {
            let values: Vec<_> = values.iter().map(scalar).collect();
            format!("{} {}in [{}]", path(column), not(negated), values.join(", "))
        }
        Predicate::IsNull { column, negated } => format!("{} is {}null", path(column), not(negated)),
        Predicate::StartsWith { column, prefix, negated } => {
            format!("{} {}starts with {prefix:?}", path(column), not(negated))
        }
        Predicate::And(parts) => joined("and", parts),
        Predicate::Or(parts) => joined("or", parts),
    }
}

fn joined(word: &str, parts: &[Predicate]) -> String {
    format!("{word}({})", parts.iter().map(shown).collect::<Vec<_>>().join("; "))
}

fn path(column: &ColumnPath) -> String {
    column.join("/")
}

fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessOrEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterOrEqual => ">=",
    }
}

fn scalar(value: &Scalar) -> String {
    match value {
        Scalar::Boolean(value) => format!("{value}"),
        Scalar::Integer(value) => format!("{value}"),
        Scalar::Decimal { unscaled, scale } => format!("{unscaled}e-{scale}"),
        Scalar::Float(value) => format!("{value:?}"),
        Scalar::Text(value) => format!("{value:?}"),
        Scalar::Binary(value) => format!("b\"{}\"", value.escape_ascii()),
        Scalar::Date(value) => format!("day {value}"),
        Scalar::Timestamp(value) => format!("us {value}"),
    }
}

#[test]
fn translates_every_filter_of_the_recorded_session() {
    let expected = [
        ("036", "unknown"),
        ("042", "id = 7000"),
        (
            "048",
            "and(or(and(price >= 1000e-2; price <= 2000e-2; name starts with \"n1\"; placed is not null; \
             id in [12, 13, 14]); name = \"b\"); or(name starts with \"n1\"; name = \"b\"))",
        ),
        ("054", "id < 3"),
        ("060", "and(addr/zip > 5000; placed >= us 1703980800000000)"),
        ("069", "and(id >= 10; id <= 12)"),
        ("078", "id = 1"),
        ("087", "id > 100"),
        ("096", "id = 3"),
        ("104", "unknown"),
        ("112", "unknown"),
        ("176", "unknown"),
    ];
    let files = golden::client_files("DoAction-endpoints");
    assert_eq!(files.len(), expected.len());
    for (file, (number, expected)) in files.iter().zip(expected) {
        assert!(file.starts_with(number), "{file}");
        let endpoints = recorded_endpoints(file);
        assert_eq!(shown(&Filters::parse(&endpoints.json_filters).unwrap().predicate), expected, "{file}");
    }
}

fn recorded_endpoints(file: &str) -> Endpoints {
    let action = golden::action(file);
    match ActionRequest::decode(&action.r#type, &action.body).unwrap() {
        ActionRequest::Endpoints(endpoints) => endpoints,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tells_a_count_from_a_query_for_row_ids() {
    let count = recorded_endpoints("036-DoAction-endpoints.00.client.pb");
    let ids = recorded_endpoints("054-DoAction-endpoints.00.client.pb");
    assert!(!Filters::parse(&count.json_filters).unwrap().binds_row_id());
    assert!(Filters::parse(&ids.json_filters).unwrap().binds_row_id());
    assert!(Filters::none().binds_row_id(), "nothing is known of the query");
}

#[test]
fn refuses_what_is_no_filter_document() {
    for text in [
        "x",
        "[]",
        "{}",
        "null",
        r#"{"filters":[]}"#,
        r#"{"filters":{},"column_binding_names_by_index":[]}"#,
        r#"{"filters":[],"column_binding_names_by_index":[1]}"#,
    ] {
        let error = Filters::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("malformed json_filters: "), "{text}: {error}");
    }
    assert!(Filters::parse(b"\xff").is_err());
    assert!(Filters::parse(&vec![b' '; JSON_BYTES_MAX + 1]).is_err());
    assert_eq!(Filters::parse(b""), Ok(Filters::none()));
}

fn translated(filter: &str, names: &str) -> String {
    let text = format!(r#"{{"filters":[{filter}],"column_binding_names_by_index":{names}}}"#);
    shown(&Filters::parse(text.as_bytes()).unwrap().predicate)
}

const COLUMN: &str = r#"{"expression_class":"BOUND_COLUMN_REF","return_type":{"id":"BOOLEAN","type_info":null},
    "binding":{"table_index":0,"column_index":0},"depth":0}"#;

#[test]
fn columns_that_cannot_be_told_are_unknown() {
    assert_eq!(translated(COLUMN, r#"["b"]"#), "b = true");
    assert_eq!(translated(COLUMN, "[]"), "unknown");
    assert_eq!(translated(COLUMN, r#"["rowid"]"#), "unknown");
    assert_eq!(translated(&COLUMN.replace(r#""depth":0"#, r#""depth":1"#), r#"["b"]"#), "unknown");
    assert_eq!(translated(&COLUMN.replace("\"column_index\":0", "\"column_index\":-1"), r#"["b"]"#), "unknown");
    assert_eq!(translated(&COLUMN.replace("BOOLEAN", "INTEGER"), r#"["b"]"#), "unknown");
}

#[test]
fn chains_are_flat_and_what_nests_too_deep_is_unknown() {
    let junction = |kind: &str, children: &[&str]| {
        let children = children.join(",");
        format!(r#"{{"expression_class":"BOUND_CONJUNCTION","type":"CONJUNCTION_{kind}","children":[{children}]}}"#)
    };
    let chain = |length: usize| (1..length).fold(COLUMN.to_owned(), |left, _| junction("OR", &[&left, COLUMN]));
    let flat = translated(&chain(100), r#"["b"]"#);
    assert_eq!(flat.matches("b = true").count(), 100);
    assert_eq!(flat.matches("or(").count(), 1);
    assert_eq!(translated(&chain(1_000), r#"["b"]"#), "unknown");
    let rest = format!("{},{COLUMN}", chain(1_000));
    assert_eq!(translated(&rest, r#"["b"]"#), "b = true");

    let alternating = (0..70)
        .fold(COLUMN.to_owned(), |inner, level| junction(if level % 2 == 0 { "AND" } else { "OR" }, &[&inner, COLUMN]));
    let limited = translated(&alternating, r#"["b"]"#);
    assert!(limited.matches("and(").count() < 25, "{limited}");
}

#[test]
fn damage_never_panics() {
    let mut noise = golden::Noise::new(5);
    let all: Vec<_> = recorded().collect();
    for _ in 0..5_000 {
        let (_, json_filters) = &all[noise.below(all.len())];
        let _ = Filters::parse(&noise.mutate(json_filters.as_bytes()));
    }
}
