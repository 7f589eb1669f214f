//! Casts by brute force: the translated predicate must hold for exactly the values for which the comparison with the
//! cast value does.

use std::cmp::Ordering;

use super::{super::constant::Unit, *};

/// DuckDB's order of values of one type: NaN is the greatest.
fn order(left: &Scalar, right: &Scalar) -> Ordering {
    match (left, right) {
        (Scalar::Integer(left), Scalar::Integer(right)) => left.cmp(right),
        (Scalar::Decimal { unscaled: left, scale }, Scalar::Decimal { unscaled: right, scale: same }) => {
            assert_eq!(scale, same);
            left.cmp(right)
        }
        (Scalar::Float(left), Scalar::Float(right)) => {
            left.partial_cmp(right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
        }
        (Scalar::Date(left), Scalar::Date(right)) => left.cmp(right),
        (Scalar::Timestamp(left), Scalar::Timestamp(right)) => left.cmp(right),
        _ => panic!("{left:?} and {right:?} are of different types"),
    }
}

/// Whether a row with this value (`None` is NULL) is kept.
fn keeps(predicate: &Predicate, value: Option<&Scalar>) -> bool {
    match predicate {
        Predicate::Compare { op, value: constant, .. } => value.is_some_and(|value| op.holds(order(value, constant))),
        Predicate::IsNull { negated, .. } => value.is_none() != *negated,
        Predicate::In { values, negated, .. } => {
            value.is_some_and(|value| values.iter().any(|other| order(value, other).is_eq()) != *negated)
        }
        Predicate::And(parts) => parts.iter().all(|part| keeps(part, value)),
        Predicate::Or(parts) => parts.iter().any(|part| keeps(part, value)),
        other => panic!("{other:?}"),
    }
}

fn column(kind: Kind, compared_as: Kind) -> Side {
    Side::Column { path: vec!["c".to_owned()], kind, compared_as }
}

/// Compares each of `values`, `cast`, with each of `constants`, in every way.
fn check(kind: Kind, compared_as: Kind, values: &[Scalar], cast: impl Fn(&Scalar) -> Scalar, constants: &[Scalar]) {
    for constant in constants {
        let side = || Side::Constant { kind: compared_as, value: Some(constant.clone()) };
        let relations =
            CompareOp::ALL.map(Relation::Op).into_iter().chain([true, false].map(|not| Relation::Distinct { not }));
        for relation in relations {
            let predicate = compare(column(kind, compared_as), relation, side()).unwrap();
            for value in values {
                let order = order(&cast(value), constant);
                let expected = match relation {
                    Relation::Op(op) => op.holds(order),
                    Relation::Distinct { not } => order.is_eq() == not,
                };
                assert_eq!(keeps(&predicate, Some(value)), expected, "{value:?} {relation:?} {constant:?}");
            }
            assert_eq!(keeps(&predicate, None), relation == Relation::Distinct { not: false }, "{relation:?}");
        }
    }
    if !matches!(kind, Kind::Timestamp(_)) {
        check_lists(kind, compared_as, values, cast, constants);
    }
}

fn check_lists(
    kind: Kind,
    compared_as: Kind,
    values: &[Scalar],
    cast: impl Fn(&Scalar) -> Scalar,
    constants: &[Scalar],
) {
    for list in constants.windows(2) {
        for (negated, has_null) in [(false, false), (true, false), (false, true), (true, true)] {
            let constants = list.iter().cloned().map(Some).chain(has_null.then_some(None));
            let sides = constants.map(|value| Side::Constant { kind: compared_as, value }).collect();
            let predicate = in_list(column(kind, compared_as), sides, negated).unwrap();
            for value in values {
                let found = list.iter().any(|constant| order(&cast(value), constant).is_eq());
                let expected = if negated { !found && !has_null } else { found };
                assert_eq!(keeps(&predicate, Some(value)), expected, "{value:?} {list:?} {negated} {has_null}");
            }
            assert!(!keeps(&predicate, None));
        }
    }
}

fn integers(range: std::ops::RangeInclusive<i128>) -> Vec<Scalar> {
    range.map(Scalar::Integer).collect()
}

fn decimals(range: std::ops::RangeInclusive<i128>, scale: u8) -> Vec<Scalar> {
    range.map(|unscaled| Scalar::Decimal { unscaled, scale }).collect()
}

fn unscaled(value: &Scalar) -> i128 {
    match value {
        Scalar::Integer(value) | Scalar::Decimal { unscaled: value, .. } => *value,
        other => panic!("{other:?}"),
    }
}

const MICROS: Kind = Kind::Timestamp(Unit::Microsecond);
const TINYINT: Kind = Kind::Integer { bits: 8, signed: true };

#[test]
fn integers_as_wider_integers_and_decimals() {
    let values = integers(-128..=127);
    check(TINYINT, Kind::Integer { bits: 32, signed: true }, &values, Scalar::clone, &integers(-131..=131));
    let extremes = [i128::MIN, i128::MIN + 1, i128::MAX].map(Scalar::Integer);
    check(TINYINT, Kind::Integer { bits: 128, signed: true }, &values, Scalar::clone, &extremes);
    let tenfold = |value: &Scalar| Scalar::Decimal { unscaled: unscaled(value) * 10, scale: 1 };
    check(TINYINT, Kind::Decimal { width: 5, scale: 1 }, &values, tenfold, &decimals(-1310..=1310, 1));
}

#[test]
fn unsigned_integers() {
    const UTINYINT: Kind = Kind::Integer { bits: 8, signed: false };
    let values = integers(0..=255);
    let real = |value: &Scalar| Scalar::Float(unscaled(value) as f64);
    let tenfold = |value: &Scalar| Scalar::Decimal { unscaled: unscaled(value) * 10, scale: 1 };
    for signed in [true, false] {
        check(UTINYINT, Kind::Integer { bits: 16, signed }, &values, Scalar::clone, &integers(-3..=258));
    }
    check(UTINYINT, Kind::Decimal { width: 5, scale: 1 }, &values, tenfold, &decimals(-20..=2580, 1));
    let constants: Vec<_> = (-4..=520).map(|half| Scalar::Float(f64::from(half) / 2.0)).collect();
    check(UTINYINT, Kind::Double, &values, real, &constants);
    let widest = Kind::Integer { bits: 64, signed: false };
    let extremes: Vec<_> = [0, 1, u64::MAX.into()].map(Scalar::Integer).into();
    let around = [-1, 0, 1, i128::from(u64::MAX) - 1, u64::MAX.into(), i128::from(u64::MAX) + 1, i128::MAX];
    let huge = Kind::Integer { bits: 128, signed: true };
    check(widest, huge, &extremes, Scalar::clone, &around.map(Scalar::Integer));
}

#[test]
fn integers_as_reals() {
    let values = integers(-128..=127);
    let real = |value: &Scalar| Scalar::Float(unscaled(value) as f64);
    let halves = (-262..=262).map(|half| Scalar::Float(f64::from(half) / 2.0));
    let others = [1e300, -1e300, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e-300].map(Scalar::Float);
    let constants: Vec<_> = halves.chain(others).collect();
    check(TINYINT, Kind::Double, &values, real, &constants);
    check(TINYINT, Kind::Float, &values, real, &constants);
}

#[test]
fn decimals_of_finer_scale() {
    let values = decimals(-999..=999, 1);
    let finer = |value: &Scalar| Scalar::Decimal { unscaled: unscaled(value) * 100, scale: 3 };
    let constants: Vec<_> = decimals(-100_500..=-99_500, 3).into_iter().chain(decimals(-350..=350, 3)).collect();
    check(Kind::Decimal { width: 3, scale: 1 }, Kind::Decimal { width: 6, scale: 3 }, &values, finer, &constants);
    let extremes = decimals(i128::MAX - 1..=i128::MAX, 38);
    let widest = Kind::Decimal { width: 38, scale: 38 };
    assert!(
        compare(column(Kind::Decimal { width: 38, scale: 0 }, widest), Relation::Op(CompareOp::Less), {
            Side::Constant { kind: widest, value: Some(extremes[0].clone()) }
        })
        .is_some()
    );
}

#[test]
fn floats_as_doubles() {
    let singles = [0.0, -0.0, 0.1, -0.1, 0.5, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, f32::INFINITY, f32::NAN];
    let singles = singles.into_iter().chain([f32::NEG_INFINITY]);
    let near = |value: f32| [value.next_down(), value, value.next_up()];
    let values: Vec<_> = singles.flat_map(near).map(|value| Scalar::Float(value.into())).collect();
    let doubles = [0.1, -0.1, 0.5, 1e300, -1e300, 1e-320, -1e-320, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0];
    let others = [f64::from(f32::MAX).next_up(), f64::from(0.1_f32).next_down(), f64::from(f32::MAX)];
    let constants: Vec<_> = doubles.into_iter().chain(others).map(Scalar::Float).collect();
    check(Kind::Float, Kind::Double, &values, Scalar::clone, &constants);
}

fn days() -> Vec<Scalar> {
    [-i32::MAX, -800_000, -2, -1, 0, 1, 2, 19_723, 800_000, i32::MAX].map(Scalar::Date).into()
}

/// DuckDB keeps the infinities.
fn midnight(value: &Scalar) -> Scalar {
    match value {
        Scalar::Date(i32::MAX) => Scalar::Timestamp(i64::MAX),
        Scalar::Date(day) if *day == -i32::MAX => Scalar::Timestamp(-i64::MAX),
        Scalar::Date(day) => Scalar::Timestamp(i64::from(*day) * DAY_MICROS),
        other => panic!("{other:?}"),
    }
}

fn day(value: &Scalar) -> Scalar {
    match value {
        Scalar::Timestamp(i64::MAX) => Scalar::Date(i32::MAX),
        Scalar::Timestamp(micros) if *micros == -i64::MAX => Scalar::Date(-i32::MAX),
        Scalar::Timestamp(micros) => Scalar::Date(i32::try_from(micros.div_euclid(DAY_MICROS)).unwrap()),
        other => panic!("{other:?}"),
    }
}

fn instants() -> Vec<Scalar> {
    let near = |day: i64| [-1, 0, 1, DAY_MICROS / 2].map(|offset| Scalar::Timestamp(day * DAY_MICROS + offset));
    [-800_000, -2, -1, 0, 1, 19_723, 800_000].into_iter().flat_map(near).collect()
}

#[test]
fn dates_as_timestamps_and_timestamps_as_dates() {
    check(Kind::Date, MICROS, &days(), midnight, &instants());
    let values = [instants(), vec![Scalar::Timestamp(i64::MAX), Scalar::Timestamp(-i64::MAX)]].concat();
    let finite: Vec<_> =
        days().into_iter().filter(|day| !matches!(day, Scalar::Date(d) if d.abs() == i32::MAX)).collect();
    check(MICROS, Kind::Date, &values, day, &finite);
}

#[test]
fn coarser_timestamps_as_finer_ones() {
    let seconds: Vec<_> = (-3..=3).map(|second| Scalar::Timestamp(second * 1_000_000)).collect();
    let near: Vec<_> = (-3..=3).flat_map(|s| [-1, 0, 1].map(|near| Scalar::Timestamp(s * 1_000_000 + near))).collect();
    for finer in [Unit::Millisecond, Unit::Microsecond] {
        check(Kind::Timestamp(Unit::Second), Kind::Timestamp(finer), &seconds, Scalar::clone, &near);
    }
    let nanos = |value: &Scalar| match value {
        Scalar::Timestamp(micros) => Scalar::Integer(i128::from(*micros) * 1_000),
        other => panic!("{other:?}"),
    };
    let values: Vec<_> = (-3..=3).map(Scalar::Timestamp).collect();
    check(MICROS, Kind::TimestampNs, &values, nanos, &integers(-4_100..=4_100));
    let values = [days_of_seconds(), vec![Scalar::Timestamp(i64::MAX), Scalar::Timestamp(-i64::MAX)]].concat();
    let finite: Vec<_> = [-2, -1, 0, 1, 2].map(Scalar::Date).into();
    check(Kind::Timestamp(Unit::Second), Kind::Date, &values, day, &finite);
}

fn days_of_seconds() -> Vec<Scalar> {
    (-2..=2).flat_map(|day| [-1, 0, 1].map(|s| Scalar::Timestamp(day * DAY_MICROS + s * 1_000_000))).collect()
}

#[test]
fn infinite_days_and_session_dependent_casts_are_left_to_duckdb() {
    let op = Relation::Op(CompareOp::Less);
    for (kind, compared_as, value) in [
        (Kind::Date, MICROS, Scalar::Timestamp(i64::MAX)),
        (Kind::Date, MICROS, Scalar::Timestamp(-i64::MAX)),
        (MICROS, Kind::Date, Scalar::Date(i32::MAX)),
        (MICROS, Kind::Date, Scalar::Date(200_000_000)),
        (Kind::Date, Kind::TimestampTz, Scalar::Timestamp(0)),
        (Kind::TimestampTz, MICROS, Scalar::Timestamp(0)),
        (Kind::TimestampTz, Kind::Date, Scalar::Date(0)),
        (Kind::Integer { bits: 64, signed: true }, Kind::Double, Scalar::Float(1.5)),
        (Kind::Integer { bits: 32, signed: true }, Kind::Float, Scalar::Float(1.5)),
        (Kind::Integer { bits: 32, signed: true }, TINYINT, Scalar::Integer(1)),
        (Kind::Double, Kind::Float, Scalar::Float(1.5)),
        (TINYINT, Kind::Double, Scalar::Float(f64::NAN)),
        (TINYINT, Kind::Integer { bits: 64, signed: false }, Scalar::Integer(1)),
        (MICROS, Kind::TimestampNs, Scalar::Integer(i64::MAX.into())),
        (MICROS, Kind::TimestampNs, Scalar::Integer(-i128::from(i64::MAX))),
        (MICROS, Kind::Timestamp(Unit::Second), Scalar::Timestamp(0)),
        (Kind::TimestampNs, MICROS, Scalar::Timestamp(0)),
        (Kind::TimestampNs, Kind::Date, Scalar::Date(0)),
        (Kind::TimeNs, Kind::Time, Scalar::Integer(0)),
    ] {
        let constant = Side::Constant { kind: compared_as, value: Some(value) };
        assert_eq!(compare(column(kind, compared_as), op, constant), None, "{kind:?} as {compared_as:?}");
    }
}

#[test]
fn types_that_differ_are_not_compared() {
    let constant = Side::Constant { kind: Kind::Varchar, value: Some(Scalar::Text("5".to_owned())) };
    assert_eq!(compare(column(TINYINT, TINYINT), Relation::Op(CompareOp::Equal), constant), None);
    let constant = || Side::Constant { kind: TINYINT, value: Some(Scalar::Integer(5)) };
    assert_eq!(compare(constant(), Relation::Op(CompareOp::Equal), constant()), None);
}
