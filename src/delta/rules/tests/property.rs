//! Random CHECKs over random rows: refused is what the condition says is false, judged here in three-valued logic.

use std::sync::Arc;

use super::*;
use crate::{
    delta::{
        fixtures::definition as definition_of,
        rules::{Rules, check_text},
    },
    engine::Error,
};

const CASES: u64 = 2_000;

/// A condition over columns `a` and `b`, and its SQL.
enum Condition {
    Compare { column: usize, operator: &'static str, value: i64 },
    Columns { operator: &'static str },
    IsNull { column: usize, negated: bool },
    Both(Box<[Condition; 2]>),
    Either(Box<[Condition; 2]>),
    Not(Box<Condition>),
}

const NAMES: [&str; 2] = ["a", "b"];
const OPERATORS: [&str; 6] = ["=", "<>", "<", "<=", ">", ">="];

impl Condition {
    fn random(random: &mut Random, depth: u64) -> Self {
        let pair = |random: &mut Random| Box::new([(); 2].map(|()| Self::random(random, depth - 1)));
        match random.below(if depth == 0 { 3 } else { 6 }) {
            0 => {
                let (column, operator) = (random.below(2) as usize, random.operator());
                Self::Compare { column, operator, value: random.below(5) as i64 - 2 }
            }
            1 => Self::Columns { operator: random.operator() },
            2 => Self::IsNull { column: random.below(2) as usize, negated: random.below(2) == 0 },
            3 => Self::Both(pair(random)),
            4 => Self::Either(pair(random)),
            _ => Self::Not(Box::new(Self::random(random, depth - 1))),
        }
    }

    fn sql(&self) -> String {
        match self {
            Self::Compare { column, operator, value } => format!("({} {operator} {value})", NAMES[*column]),
            Self::Columns { operator } => format!("(a {operator} b)"),
            Self::IsNull { column, negated } => {
                format!("({} IS {}NULL)", NAMES[*column], if *negated { "NOT " } else { "" })
            }
            Self::Both(pair) => format!("({} AND {})", pair[0].sql(), pair[1].sql()),
            Self::Either(pair) => format!("({} OR {})", pair[0].sql(), pair[1].sql()),
            Self::Not(inner) => format!("(NOT {})", inner.sql()),
        }
    }

    fn holds(&self, row: [Option<i64>; 2]) -> Option<bool> {
        match self {
            Self::Compare { column, operator, value } => compare(row[*column]?, operator, *value),
            Self::Columns { operator } => compare(row[0]?, operator, row[1]?),
            Self::IsNull { column, negated } => Some(row[*column].is_none() != *negated),
            Self::Both(pair) => match (pair[0].holds(row), pair[1].holds(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), other) => other,
                (None, _) => None,
            },
            Self::Either(pair) => match (pair[0].holds(row), pair[1].holds(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), other) => other,
                (None, _) => None,
            },
            Self::Not(inner) => inner.holds(row).map(|holds| !holds),
        }
    }
}

fn compare(left: i64, operator: &str, right: i64) -> Option<bool> {
    Some(match operator {
        "=" => left == right,
        "<>" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    })
}

#[test]
fn what_is_refused_is_what_the_condition_refuses() {
    let columns = Schema::new(NAMES.map(|name| Field::new(name, DataType::Int64, true)).to_vec());
    let mut refused = 0;
    for seed in 0..CASES {
        let random = &mut Random(seed);
        let condition = Condition::random(random, 3);
        let rows: Vec<[Option<i64>; 2]> = (0..random.below(6)).map(|_| [random.value(), random.value()]).collect();
        let column = |at: usize| Arc::new(rows.iter().map(|row| row[at]).collect::<Int64Array>());
        let batch = batch(vec![("a", column(0)), ("b", column(1))]);
        // DuckDB's: only false is refused. Delta's: all but true.
        let stored = check_text(&condition.sql(), &columns).unwrap();
        let lenient = rows.iter().position(|row| condition.holds(*row) == Some(false));
        let strict = rows.iter().position(|row| condition.holds(*row) != Some(true));
        for (text, first) in [(stored, lenient), (condition.sql(), strict)] {
            let outcome = rules(&text).apply(&batch);
            let what = format!("seed {seed}: {text} over {rows:?}");
            match (outcome, first) {
                (Ok(written), None) => assert_eq!(written, batch, "{what}"),
                (Err(Error::InvalidArgument(error)), Some(row)) => {
                    let shown = NAMES.map(|name| {
                        let value = rows[row][usize::from(name == "b")];
                        format!("{name} = {}", value.map_or("NULL".to_owned(), |value| value.to_string()))
                    });
                    assert!(shown.iter().all(|part| error.contains(part)), "{what}: {error}");
                    refused += 1;
                }
                (outcome, first) => panic!("{what}: {outcome:?} where row {first:?} is the first"),
            }
        }
    }
    assert!((CASES / 2..CASES * 2).contains(&refused), "{refused} of {} were refused", CASES * 2);
}

fn rules(check: &str) -> Rules {
    let columns = json!(NAMES.map(|name| field(name, json!("long"))));
    let definition = metadata(&columns, &json!({ "delta.constraints.random": check }));
    definition_of(&features(&[], &["checkConstraints"]), &definition).unwrap().rules("t").unwrap()
}

/// Numbers that look random and are the same every time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn operator(&mut self) -> &'static str {
        OPERATORS[self.below(6) as usize]
    }

    fn value(&mut self) -> Option<i64> {
        (self.below(4) > 0).then(|| self.below(5) as i64 - 2)
    }
}
