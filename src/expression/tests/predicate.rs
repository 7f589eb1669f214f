//! What is told in predicates: of every row that a condition is true of, and of no other where all of it is told.

use std::cmp::Ordering;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, UInt8Type,
    },
};

use super::rows;
use crate::{
    engine::{CompareOp, Predicate, Scalar},
    expression::{Dialect, Expression},
};

/// Columns, their types, and texts of their values.
const COLUMNS: [(&str, &str, [&str; 5]); 10] = [
    ("i", "INTEGER", ["-7", "0", "5", "6", "2147483647"]),
    ("b", "BIGINT", ["-7", "0", "5", "3000000000", "-3000000000"]),
    ("u", "UTINYINT", ["0", "5", "6", "7", "255"]),
    ("d", "DECIMAL(9,2)", ["-1.50", "0.00", "0.01", "5.00", "1234567.89"]),
    ("f", "FLOAT", ["nan", "-0.0", "0.1", "5", "inf"]),
    ("x", "DOUBLE", ["nan", "0", "0.1", "5", "-inf"]),
    ("t", "VARCHAR", ["", "a", "ab", "b", "é"]),
    ("k", "DATE", ["2024-01-01", "1969-12-31", "2024-02-29", "infinity", "-infinity"]),
    ("s", "TIMESTAMP", ["2024-01-01", "2024-01-01 00:00:00.5", "1969-12-31 23:59:59", "infinity", "-infinity"]),
    ("m", "TIMESTAMP_MS", ["2024-01-01", "2024-01-01 00:00:00.5", "1969-12-31 23:59:59", "2024-02-29", "1900-01-01"]),
];

fn table() -> RecordBatch {
    let texts = COLUMNS
        .map(|(_, _, texts)| [Some(texts[0]), None, Some(texts[1]), Some(texts[2]), Some(texts[3]), Some(texts[4])]);
    let columns: Vec<_> = COLUMNS.iter().zip(&texts).map(|((name, ty, _), texts)| (*name, *ty, &texts[..])).collect();
    let flags = [Some("true"), Some("false"), None, Some("true"), None, Some("false")];
    rows(&[&columns[..], &[("o", "BOOLEAN", &flags[..])]].concat())
}

fn told(sql: &str, rows: &RecordBatch) -> Predicate {
    Expression::new(sql, Dialect::DuckDb, rows.schema_ref()).expect(sql).predicate(rows.schema_ref())
}

/// The rows that a condition is true of, and those that its predicate keeps.
fn found(sql: &str, rows: &RecordBatch) -> (Vec<usize>, Vec<usize>, bool) {
    let condition = Expression::new(sql, Dialect::DuckDb, rows.schema_ref()).expect(sql);
    let values = condition.evaluate(rows).expect(sql);
    let values = values.as_boolean();
    let predicate = condition.predicate(rows.schema_ref());
    let all = 0..rows.num_rows();
    let is_true = all.clone().filter(|row| values.is_valid(*row) && values.value(*row)).collect();
    (is_true, all.filter(|row| keeps(&predicate, rows, *row)).collect(), is_whole(&predicate))
}

/// Whether nothing is left unsaid.
fn is_whole(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Unknown => false,
        Predicate::And(parts) | Predicate::Or(parts) => parts.iter().all(is_whole),
        _ => true,
    }
}

fn keeps(predicate: &Predicate, rows: &RecordBatch, row: usize) -> bool {
    let value = |column: &[String]| scalar(rows.column_by_name(&column[0]).expect("a column"), row);
    match predicate {
        Predicate::Unknown => true,
        Predicate::And(parts) => parts.iter().all(|part| keeps(part, rows, row)),
        Predicate::Or(parts) => parts.iter().any(|part| keeps(part, rows, row)),
        Predicate::IsNull { column, negated } => value(column).is_none() != *negated,
        Predicate::Compare { column, op, value: constant } => {
            value(column).is_some_and(|value| op.holds(order(&value, constant)))
        }
        Predicate::In { column, values, negated } => {
            assert!(!values.is_empty());
            value(column).is_some_and(|value| values.iter().any(|one| order(&value, one).is_eq()) != *negated)
        }
        Predicate::StartsWith { .. } => panic!("is not told"),
    }
}

fn scalar(column: &ArrayRef, row: usize) -> Option<Scalar> {
    column.is_valid(row).then(|| match column.data_type() {
        DataType::Boolean => Scalar::Boolean(column.as_boolean().value(row)),
        DataType::Int32 => Scalar::Integer(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => Scalar::Integer(column.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt8 => Scalar::Integer(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::Decimal128(_, scale) => {
            Scalar::Decimal { unscaled: column.as_primitive::<Decimal128Type>().value(row), scale: *scale as u8 }
        }
        DataType::Float32 => Scalar::Float(column.as_primitive::<Float32Type>().value(row).into()),
        DataType::Float64 => Scalar::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Scalar::Text(column.as_string::<i32>().value(row).to_owned()),
        DataType::Date32 => Scalar::Date(column.as_primitive::<Date32Type>().value(row)),
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Scalar::Timestamp(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            Scalar::Timestamp(column.as_primitive::<TimestampMillisecondType>().value(row) * 1000)
        }
        other => panic!("{other}"),
    })
}

/// As predicates order constants; both must be of one kind.
fn order(left: &Scalar, right: &Scalar) -> Ordering {
    match (left, right) {
        (Scalar::Boolean(left), Scalar::Boolean(right)) => left.cmp(right),
        (Scalar::Integer(left), Scalar::Integer(right)) => left.cmp(right),
        (
            Scalar::Decimal { unscaled: left, scale: left_scale },
            Scalar::Decimal { unscaled: right, scale: right_scale },
        ) => {
            let at = |unscaled: &i128, scale: &u8| unscaled * 10_i128.pow(u32::from(20 - scale));
            at(left, left_scale).cmp(&at(right, right_scale))
        }
        (Scalar::Float(left), Scalar::Float(right)) => match (left.is_nan(), right.is_nan()) {
            (false, false) => left.partial_cmp(right).expect("numbers"),
            (left, right) => left.cmp(&right),
        },
        (Scalar::Text(left), Scalar::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Scalar::Date(left), Scalar::Date(right)) => left.cmp(right),
        (Scalar::Timestamp(left), Scalar::Timestamp(right)) => left.cmp(right),
        other => panic!("{other:?}"),
    }
}

/// A number below a bound (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn constant(&mut self, ty: &str, texts: &[&str]) -> String {
        match self.below(9) {
            0 => "NULL".to_owned(),
            1 if ty.ends_with("INT") || ty == "INTEGER" => self.pick(&["300", "-1", "99999999999", "5.5"]).to_owned(),
            2 | 3 => format!("'{}'", self.pick(texts)),
            _ => format!("CAST('{}' AS {ty})", self.pick(texts)),
        }
    }

    fn leaf(&mut self) -> String {
        let (name, ty, texts) = &COLUMNS[self.below(COLUMNS.len())];
        let mut constant = || self.constant(ty, texts);
        let (a, b, c) = (constant(), constant(), constant());
        let op = self.pick(&["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
        let not = self.pick(&["", "NOT "]);
        match self.below(12) {
            0 => format!("{name} IS {not}NULL"),
            1 => format!("{name} {not}BETWEEN {a} AND {b}"),
            2 | 3 => format!("{name} {not}IN ({a}, {b}, {c})"),
            4 => self
                .pick(&["o", "o = true", "o IS TRUE", "o IS NOT FALSE", "CAST(NULL AS BOOLEAN)", "true", "1 > 2"])
                .to_owned(),
            5 => format!("{a} {op} {name}"),
            6 => self.pick(&["i = b", "i + 1 > 5", "length(t) = 1", "t LIKE 'a%'", "u % 2 = 1"]).to_owned(),
            7 => format!("{name} {op} {a} IS {not}NULL"),
            _ => format!("{name} {op} {a}"),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 1 } else { 5 }) {
            1 => format!("({} AND {})", self.condition(depth - 1), self.condition(depth - 1)),
            2 => format!("({} OR {})", self.condition(depth - 1), self.condition(depth - 1)),
            3 => format!("NOT ({})", self.condition(depth - 1)),
            _ => format!("({})", self.leaf()),
        }
    }
}

#[test]
fn what_is_told_is_what_is_true() {
    let rows = table();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut whole, mut bound) = (0, 0);
    for _ in 0..1500 {
        let sql = random.condition(3);
        // Some texts are no values of the types they meet.
        let Ok(condition) = Expression::new(&sql, Dialect::DuckDb, rows.schema_ref()) else { continue };
        if condition.evaluate(&rows).is_err() {
            continue;
        }
        let (is_true, kept, is_whole) = found(&sql, &rows);
        bound += 1;
        whole += usize::from(is_whole);
        match is_whole {
            true => assert_eq!(is_true, kept, "{sql}: {:?}", condition.predicate(rows.schema_ref())),
            false => assert!(
                is_true.iter().all(|row| kept.contains(row)),
                "{sql}: {:?}",
                condition.predicate(rows.schema_ref())
            ),
        }
    }
    assert!(bound > 400 && whole > 200, "{whole} whole of {bound}");
}

#[test]
fn conditions_of_everyday_are_told() {
    let rows = table();
    let compare = |column: &str, op, value| Predicate::Compare { column: vec![column.to_owned()], op, value };
    let text = |text: &str| Scalar::Text(text.to_owned());
    use CompareOp::{Equal, GreaterOrEqual, Less, LessOrEqual};
    for (sql, expected) in [
        ("t = 'a'", compare("t", Equal, text("a"))),
        ("'a' = t", compare("t", Equal, text("a"))),
        ("k >= '2024-01-01'", compare("k", GreaterOrEqual, Scalar::Date(19723))),
        ("5 > b", compare("b", Less, Scalar::Integer(5))),
        ("i < 3000000000", compare("i", Less, Scalar::Integer(3_000_000_000))),
        ("d = 5", compare("d", Equal, Scalar::Decimal { unscaled: 500, scale: 2 })),
        (
            "i BETWEEN 1 AND 5",
            Predicate::And(vec![
                compare("i", GreaterOrEqual, Scalar::Integer(1)),
                compare("i", LessOrEqual, Scalar::Integer(5)),
            ]),
        ),
        (
            "t NOT IN ('a', 'b')",
            Predicate::In { column: vec!["t".to_owned()], values: vec![text("a"), text("b")], negated: true },
        ),
        ("x IS NOT NULL", Predicate::IsNull { column: vec!["x".to_owned()], negated: true }),
        ("NOT o", compare("o", Equal, Scalar::Boolean(false))),
    ] {
        assert_eq!(told(sql, &rows), expected, "{sql}");
    }
}

#[test]
fn what_is_not_understood_is_left_open() {
    let rows = table();
    for sql in [
        "i + 1 = 5",
        "i = b",
        "length(t) > 2",
        "CASE WHEN o THEN true END",
        "CAST(t AS INTEGER) = 5",
        "TRY_CAST(t AS INTEGER) IS NULL",
    ] {
        assert_eq!(told(sql, &rows), Predicate::Unknown, "{sql}");
    }
}

#[test]
fn nothing_is_told_of_columns_beyond_those_named() {
    let rows = table();
    let condition = Expression::new("i = 5 AND b = 5", Dialect::DuckDb, rows.schema_ref()).expect("a condition");
    let first = rows.schema_ref().project(&[0]).expect("a column");
    let equal = Predicate::Compare { column: vec!["i".to_owned()], op: CompareOp::Equal, value: Scalar::Integer(5) };
    assert_eq!(condition.predicate(&first), Predicate::And(vec![equal, Predicate::Unknown]));
}
