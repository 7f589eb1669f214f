use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};

use super::{
    keys::{VALUES, Values, expected, of_type},
    *,
};
use crate::{
    engine::{CompareOp, Predicate, Scalar},
    protocol::golden::Noise,
};

fn predicate(target: &RecordBatch, source: &RecordBatch, keys: &[(&str, &str, bool)]) -> Predicate {
    let plan = plan(target.schema_ref(), source.schema_ref(), keys, &[]);
    let rows = kept(std::slice::from_ref(source));
    KeyIndex::build(&plan, &rows, 0, &MemoryBudget::new(PLENTY)).unwrap().predicate()
}

fn of(target: &str, source: &str, texts: &[Option<&str>], nulls_equal: bool) -> Predicate {
    let target = batch(vec![column("t", target, &[])]);
    let source = batch(vec![column("s", source, texts)]);
    let (to, from) = (target.schema().field(0).data_type().clone(), source.schema().field(0).data_type().clone());
    let key = if to == from { "t".to_owned() } else { format!("CAST(t AS {})", "BIGINT") };
    match predicate(&target, &source, &[(&key, "s", nulls_equal)]) {
        Predicate::And(mut parts) => parts.remove(0),
        other => other,
    }
}

fn list(values: Vec<Scalar>) -> Predicate {
    Predicate::Or(vec![Predicate::In { column: vec!["t".to_owned()], values, negated: false }])
}

fn range(low: i128, high: i128) -> Predicate {
    let compare = |op, value| Predicate::Compare { column: vec!["t".to_owned()], op, value: Scalar::Integer(value) };
    Predicate::And(vec![compare(CompareOp::GreaterOrEqual, low), compare(CompareOp::LessOrEqual, high)])
}

#[test]
fn few_values_are_a_list() {
    let texts = ["3", "1", "3"].map(Some);
    assert_eq!(of("BIGINT", "BIGINT", &texts, false), list(vec![Scalar::Integer(1), Scalar::Integer(3)]));
    let texts = ["b", "a"].map(Some);
    let letters = vec![Scalar::Text("a".to_owned()), Scalar::Text("b".to_owned())];
    assert_eq!(of("VARCHAR", "VARCHAR", &texts, false), list(letters));
    assert_eq!(of("DATE", "DATE", &[Some("1970-01-02")], false), list(vec![Scalar::Date(1)]));
    let hour = list(vec![Scalar::Timestamp(3_600_000_000)]);
    for ty in ["TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS"] {
        assert_eq!(of(ty, ty, &[Some("1970-01-01 01:00:00")], false), hour, "{ty}");
    }
    assert_eq!(of("TIMESTAMPTZ", "TIMESTAMPTZ", &[Some("1970-01-01 03:00:00+02")], false), hour);
    let cents = list(vec![Scalar::Decimal { unscaled: 150, scale: 2 }]);
    assert_eq!(of("DECIMAL(9,2)", "DECIMAL(9,2)", &[Some("1.5")], false), cents);
}

#[test]
fn floats_are_said_with_their_nan_and_their_one_zero() {
    let Predicate::Or(parts) = of("DOUBLE", "DOUBLE", &["nan", "-0", "-inf", "-1.5"].map(Some), false) else {
        panic!()
    };
    let [Predicate::In { values, .. }] = &parts[..] else { panic!("{parts:?}") };
    let floats: Vec<f64> =
        values.iter().map(|value| if let Scalar::Float(float) = value { *float } else { 7.0 }).collect();
    assert_eq!(floats[..3], [f64::NEG_INFINITY, -1.5, 0.0]);
    assert!(floats[3].is_nan());
}

#[test]
fn a_wider_key_is_said_in_the_columns_own_values() {
    let texts = ["1099511627776", "5"].map(Some);
    assert_eq!(of("INTEGER", "BIGINT", &texts, false), list(vec![Scalar::Integer(5), Scalar::Integer(1 << 40)]));
    let target = batch(vec![column("t", "DECIMAL(9,1)", &[])]);
    let source = batch(vec![column("s", "DECIMAL(18,3)", &["1.500", "1.555"].map(Some))]);
    let found = predicate(&target, &source, &[("CAST(t AS DECIMAL(18,3))", "s", false)]);
    assert_eq!(
        found,
        Predicate::And(vec![list(vec![Scalar::Decimal { unscaled: 15, scale: 1 }])]),
        "1.555 is no value of it"
    );
    let target = batch(vec![column("t", "TIMESTAMP_S", &[])]);
    let source = batch(vec![column("s", "TIMESTAMP", &[Some("1970-01-01 00:00:01")])]);
    let found = predicate(&target, &source, &[("CAST(t AS TIMESTAMP)", "s", false)]);
    assert_eq!(found, Predicate::And(vec![list(vec![Scalar::Timestamp(1_000_000)])]));
}

#[test]
fn null_is_wanted_where_it_equals_null() {
    let is_null = Predicate::IsNull { column: vec!["t".to_owned()], negated: false };
    assert_eq!(of("BIGINT", "BIGINT", &[None], false), Predicate::Or(vec![]), "nothing can match");
    assert_eq!(of("BIGINT", "BIGINT", &[None], true), Predicate::Or(vec![is_null.clone()]));
    let Predicate::Or(parts) = of("BIGINT", "BIGINT", &[None, Some("1")], true) else { panic!() };
    assert_eq!(parts[1], is_null);
    assert_eq!(of("BIGINT", "BIGINT", &[], true), Predicate::Or(vec![]));
}

#[test]
fn many_values_are_ranges_cut_where_the_gaps_are() {
    let numbers = (0..1000).chain(50_000..51_000).chain(1_000_000..1_000_100);
    let texts: Vec<String> = numbers.map(|number: i64| number.to_string()).collect();
    let texts: Vec<_> = texts.iter().rev().map(|text| Some(text.as_str())).collect();
    let expected = vec![range(0, 999), range(50_000, 50_999), range(1_000_000, 1_000_099)];
    assert_eq!(of("BIGINT", "BIGINT", &texts, false), Predicate::Or(expected));
    let even: Vec<String> = (0..30_000).map(|number| (number * 10).to_string()).collect();
    let even: Vec<_> = even.iter().map(|text| Some(text.as_str())).collect();
    assert_eq!(of("BIGINT", "BIGINT", &even, false), Predicate::Or(vec![range(0, 299_990)]), "gaps by chance");
}

#[test]
fn what_cannot_be_said_is_unknown() {
    for ty in ["HUGEINT", "UUID", "INTERVAL", "TIMETZ", "JSON"] {
        let value = match ty {
            "UUID" => "00000000-0000-0000-0000-000000000001",
            "INTERVAL" => "1 day",
            "TIMETZ" => "12:00:00+00",
            _ => "1",
        };
        assert_eq!(of(ty, ty, &[Some(value)], false), Predicate::Unknown, "{ty}");
    }
    let target = batch(vec![column("t", "BIGINT", &[]), column("u", "BIGINT", &[])]);
    let source = batch(vec![column("s", "BIGINT", &[Some("1")]), column("r", "BIGINT", &[Some("2")])]);
    let found = predicate(&target, &source, &[("t + 1", "s", false), ("u", "r", false)]);
    let of_u = Predicate::In { column: vec!["u".to_owned()], values: vec![Scalar::Integer(2)], negated: false };
    assert_eq!(found, Predicate::And(vec![Predicate::Unknown, Predicate::Or(vec![of_u])]));
    let long = "x".repeat(5000);
    assert_eq!(of("VARCHAR", "VARCHAR", &[Some(&long)], false), Predicate::Unknown);
}

/// Types whose constants can be written down here.
const WRITTEN: [&str; 14] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL(4,1)",
    "DECIMAL(38,10)",
    "VARCHAR",
];

#[test]
fn no_row_that_matches_is_left_out() {
    let wider = [
        ("INTEGER", "BIGINT"),
        ("TINYINT", "HUGEINT"),
        ("UBIGINT", "HUGEINT"),
        ("USMALLINT", "INTEGER"),
        ("FLOAT", "DOUBLE"),
        ("DECIMAL(4,1)", "DECIMAL(38,10)"),
        ("INTEGER", "DECIMAL(38,10)"),
        ("SMALLINT", "DOUBLE"),
    ];
    let (mut told, mut left_out) = (BTreeSet::new(), 0);
    for (target, source) in WRITTEN.into_iter().map(|ty| (ty, ty)).chain(wider) {
        for seed in 0..20 {
            let mut noise = Noise::new(seed);
            let mut values = |name: &str, ty: &str, rows| {
                let known: Values = *VALUES.iter().find(|(known, _)| *known == ty).unwrap();
                // A part of the values, so that some are left out.
                let some = noise.below(known.1.len());
                batch(vec![of_type(&mut noise, name, (known.0, &known.1[some..]), rows)])
            };
            let (target_rows, source_rows) = (values("t", target, 30), values("s", source, 30));
            let key = if target == source { "t".to_owned() } else { format!("CAST(t AS {source})") };
            for (nulls_equal, operator) in [(false, "="), (true, "IS NOT DISTINCT FROM")] {
                let predicate = predicate(&target_rows, &source_rows, &[(&key, "s", nulls_equal)]);
                let matching = expected(&target_rows, &source_rows, &format!("{key} {operator} s"));
                let kept = expression(&written(&predicate), target_rows.schema_ref()).evaluate(&target_rows).unwrap();
                let kept = kept.as_boolean();
                let keeps = |row: usize| kept.is_valid(row) && kept.value(row);
                assert!(matching.iter().all(|(row, _)| keeps(*row as usize)), "{target} {source}: {predicate:?}");
                left_out += (0..30).filter(|row| !keeps(*row)).count();
                if predicate != Predicate::And(vec![Predicate::Unknown]) {
                    told.insert((target, source));
                }
            }
        }
    }
    assert!(told.len() >= WRITTEN.len() + 6 && left_out > 1000, "{told:?}, {left_out}");
}

fn written(predicate: &Predicate) -> String {
    let all = |parts: &[Predicate], none: &str, operator: &str| match parts.is_empty() {
        true => none.to_owned(),
        false => parts.iter().map(|part| format!("({})", written(part))).collect::<Vec<_>>().join(operator),
    };
    match predicate {
        Predicate::Unknown => "true".to_owned(),
        Predicate::And(parts) => all(parts, "true", " AND "),
        Predicate::Or(parts) => all(parts, "false", " OR "),
        Predicate::IsNull { .. } => "t IS NULL".to_owned(),
        Predicate::In { values, .. } => {
            format!("t IN ({})", values.iter().map(constant).collect::<Vec<_>>().join(", "))
        }
        Predicate::Compare { op: CompareOp::GreaterOrEqual, value, .. } => format!("t >= {}", constant(value)),
        Predicate::Compare { op: CompareOp::LessOrEqual, value, .. } => format!("t <= {}", constant(value)),
        other => panic!("{other:?}"),
    }
}

fn constant(value: &Scalar) -> String {
    match value {
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Integer(value) => format!("CAST('{value}' AS HUGEINT)"),
        Scalar::Decimal { unscaled, scale } => {
            let (sign, digits) = (if *unscaled < 0 { "-" } else { "" }, unscaled.unsigned_abs());
            let unit = 10_u128.pow((*scale).into());
            let (whole, part, width) = (digits / unit, digits % unit, usize::from(*scale));
            format!("CAST('{sign}{whole}.{part:0width$}' AS DECIMAL(38,{scale}))")
        }
        Scalar::Float(value) => format!("CAST('{}' AS DOUBLE)", value.to_string().to_lowercase()),
        Scalar::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => panic!("{other:?}"),
    }
}
