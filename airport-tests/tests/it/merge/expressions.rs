//! Random expressions over columns, of what `docs/expressions.md` offers.
//!
//! They are made so that they hardly ever fail: DuckDB evaluates them for rows that never reach their clause.

use super::values::{
    Class::{self, Boolean, Date, Decimal, Integer, List, Real, Struct, Text, Timestamp},
    literal,
};
use crate::random::Random;

/// What an expression may read: how it is written, and its class.
pub(super) type Scope = Vec<(String, Class)>;

/// How many operations may lie within each other.
const DEPTH: usize = 2;

/// A BOOLEAN expression.
pub(super) fn condition(scope: &Scope, random: &mut Random) -> String {
    boolean(scope, DEPTH, random)
}

/// An expression of a class, whose value a column of any of its types takes.
pub(super) fn value(class: Class, scope: &Scope, random: &mut Random) -> String {
    let made = expression(class, scope, DEPTH, random);
    match class {
        Integer => format!("({made}) % 16"),
        Decimal => format!("least(greatest({made}, -99.5), 99.5)"),
        Text => format!("left({made}, 12)"),
        _ => made,
    }
}

fn expression(class: Class, scope: &Scope, depth: usize, random: &mut Random) -> String {
    if depth == 0 || random.percent(30) {
        return leaf(class, scope, random);
    }
    let depth = depth - 1;
    match random.below(10) {
        0 => {
            let [a, b] = two(class, scope, depth, random);
            format!("CASE WHEN {} THEN {a} ELSE {b} END", boolean(scope, depth, random))
        }
        1 => format!("coalesce({})", two(class, scope, depth, random).join(", ")),
        2 => format!("nullif({})", two(class, scope, depth, random).join(", ")),
        _ => match class {
            Integer => integer(scope, depth, random),
            Decimal => decimal(scope, depth, random),
            Real => real(scope, depth, random),
            Text => text(scope, depth, random),
            Date => date(scope, depth, random),
            Timestamp => timestamp(scope, depth, random),
            Boolean => boolean(scope, depth, random),
            Struct | List => leaf(class, scope, random),
        },
    }
}

/// A column, if there is one of the class, or a literal.
fn leaf(class: Class, scope: &Scope, random: &mut Random) -> String {
    let columns: Vec<_> = scope.iter().filter(|(_, of)| *of == class).collect();
    if columns.is_empty() || random.percent(20) {
        return literal(class, random);
    }
    random.pick(&columns).0.clone()
}

fn one(class: Class, scope: &Scope, depth: usize, random: &mut Random) -> String {
    expression(class, scope, depth, random)
}

fn two(class: Class, scope: &Scope, depth: usize, random: &mut Random) -> [String; 2] {
    [one(class, scope, depth, random), one(class, scope, depth, random)]
}

fn integer(scope: &Scope, depth: usize, random: &mut Random) -> String {
    let choice = random.below(16);
    let [a, b] = two(Integer, scope, 0, random);
    match choice {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a}::INTEGER * {b})"),
        3 => format!("({a}::BIGINT // {b})"),
        4 => format!("({} % {b})", one(Integer, scope, depth, random)),
        5 => format!("-({a})"),
        6 => format!("abs({a})"),
        7 => format!("greatest({a}, {b})"),
        8 => format!("least({a}, {b}, 3)"),
        9 => format!("length({})", one(Text, scope, depth, random)),
        10 => format!("TRY_CAST({} AS INTEGER)", one(Text, scope, depth, random)),
        11 => format!("{}({})", random.pick(&["month", "day", "dayofweek"]), leaf(Date, scope, random)),
        12 => format!("position('a' IN {})", leaf(Text, scope, random)),
        13 => format!("CAST({} AS INTEGER)", one(Decimal, scope, 0, random)),
        14 => format!("CAST({} AS INTEGER)", one(Boolean, scope, 0, random)),
        _ => format!("hour({})", leaf(Timestamp, scope, random)),
    }
}

fn decimal(scope: &Scope, depth: usize, random: &mut Random) -> String {
    let choice = random.below(8);
    let [a, b] = two(Decimal, scope, 0, random);
    match choice {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("({a} * 0.5)"),
        3 => format!("round({a}, 1)"),
        4 => format!("-({a})"),
        5 => format!("abs({a})"),
        6 => format!("CAST({} AS DECIMAL(9,2))", one(Integer, scope, depth, random)),
        _ => format!("floor({a})"),
    }
}

fn real(scope: &Scope, depth: usize, random: &mut Random) -> String {
    let choice = random.below(9);
    let [a, b] = two(Real, scope, 0, random);
    match choice {
        0 => format!("({a} + {b})"),
        1 => format!("({a} * 0.5)"),
        2 => format!("({a} / {b})"),
        3 => format!("({} / {})", one(Integer, scope, depth, random), leaf(Integer, scope, random)),
        4 => format!("floor({a})"),
        5 => format!("ceil({a})"),
        6 => format!("round({a})"),
        7 => format!("CAST({} AS DOUBLE)", one(Decimal, scope, depth, random)),
        _ => format!("sqrt(abs({}))", leaf(Integer, scope, random)),
    }
}

fn text(scope: &Scope, depth: usize, random: &mut Random) -> String {
    let choice = random.below(16);
    let [a, b] = two(Text, scope, depth, random);
    match choice {
        0 | 1 => format!("({a} || {b})"),
        2 => format!("concat({a}, {b}, '!')"),
        3 => format!("upper({a})"),
        4 => format!("lower({a})"),
        5 => format!("trim({a})"),
        6 => format!("left({a}, {})", random.below(5) as i64 - 1),
        7 => format!("right({a}, {})", random.below(5) as i64 - 1),
        8 => format!("substring({a}, {}, 2)", random.below(5) as i64 - 1),
        9 => format!("replace({a}, 'a', 'zz')"),
        10 => format!("reverse({a})"),
        11 => format!("lpad({a}, 4, '*')"),
        12 => format!("repeat({a}, 2)"),
        13 => format!("CAST({} AS VARCHAR)", one(Integer, scope, depth, random)),
        14 => format!("CAST({} AS VARCHAR)", leaf(*random.pick(&[Date, Timestamp, Boolean, Decimal]), scope, random)),
        _ => format!("rpad({a}, 3, '-')"),
    }
}

fn date(scope: &Scope, _: usize, random: &mut Random) -> String {
    let a = leaf(Date, scope, random);
    match random.below(4) {
        0 => format!("({a} + {})", random.below(40)),
        1 => format!("last_day({a})"),
        2 => format!("CAST({} AS DATE)", leaf(Timestamp, scope, random)),
        _ => format!("CAST({a} + INTERVAL {} MONTH AS DATE)", random.below(4)),
    }
}

fn timestamp(scope: &Scope, depth: usize, random: &mut Random) -> String {
    let a = leaf(Timestamp, scope, random);
    match random.below(3) {
        0 => format!("({a} + INTERVAL {} HOUR)", random.below(40)),
        1 => format!("date_trunc('{}', {a})", random.pick(&["hour", "month", "day", "minute"])),
        _ => format!("CAST({} AS TIMESTAMP)", one(Date, scope, depth, random)),
    }
}

fn boolean(scope: &Scope, depth: usize, random: &mut Random) -> String {
    if depth > 0 && random.percent(35) {
        let [a, b] = [boolean(scope, depth - 1, random), boolean(scope, depth - 1, random)];
        return match random.below(4) {
            0 | 1 => format!("({a} AND {b})"),
            2 => format!("({a} OR {b})"),
            _ => format!("(NOT {a})"),
        };
    }
    let depth = depth.saturating_sub(1);
    // Of a column that is there, rather than of two literals.
    let classes: Vec<_> =
        scope.iter().map(|(_, class)| *class).filter(|class| !matches!(class, Struct | List)).collect();
    let class = if classes.is_empty() { Integer } else { *random.pick(&classes) };
    let [a, b] = [leaf(class, scope, random), one(class, scope, depth, random)];
    let test = match random.below(12) {
        0 => format!("{a} IS NULL"),
        1 => format!("{a} IS NOT NULL"),
        2 => format!("{a} IS DISTINCT FROM {b}"),
        3 => format!("{a} IN ({b}, {}, {})", literal(class, random), literal(class, random)),
        4 => format!("{a} BETWEEN {} AND {b}", literal(class, random)),
        5 if class == Text => format!("{a} {} '%a%'", random.pick(&["LIKE", "ILIKE", "NOT LIKE"])),
        6 if class == Text => format!("{}({a}, 'a')", random.pick(&["contains", "starts_with", "ends_with"])),
        5 | 6 if class == Boolean => format!("{a} IS NOT TRUE"),
        _ => format!("{a} {} {b}", random.pick(&["=", "<>", "<", "<=", ">", ">="])),
    };
    format!("({test})")
}
