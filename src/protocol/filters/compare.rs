//! Comparisons of a column with a constant, also through a cast.
//!
//! DuckDB casts a column where a constant does not fit its type (`i8 > 300`, `date < timestamp`,
//! `decimal(9,2) < 10.005`). Where the cast keeps value and order, the constant is brought into the column's own type
//! instead: as the greatest value of it that is not above the constant.

use super::{
    column::Side,
    constant::{Constant, Kind},
    expression::{all, any, never},
};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// NULL if either side is.
    Op(CompareOp),
    /// `IS DISTINCT FROM`, or with `not` `IS NOT DISTINCT FROM`; never NULL.
    Distinct { not: bool },
}

impl Relation {
    pub(super) fn from_type(expression_type: &str) -> Option<Self> {
        Some(match expression_type {
            "COMPARE_EQUAL" => Self::Op(CompareOp::Equal),
            "COMPARE_NOTEQUAL" => Self::Op(CompareOp::NotEqual),
            "COMPARE_LESSTHAN" => Self::Op(CompareOp::Less),
            "COMPARE_LESSTHANOREQUALTO" => Self::Op(CompareOp::LessOrEqual),
            "COMPARE_GREATERTHAN" => Self::Op(CompareOp::Greater),
            "COMPARE_GREATERTHANOREQUALTO" => Self::Op(CompareOp::GreaterOrEqual),
            "COMPARE_DISTINCT_FROM" => Self::Distinct { not: false },
            "COMPARE_NOT_DISTINCT_FROM" => Self::Distinct { not: true },
            _ => return None,
        })
    }

    /// What holds exactly when this is false; both are NULL together.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Op(op) => Self::Op(match op {
                CompareOp::Equal => CompareOp::NotEqual,
                CompareOp::NotEqual => CompareOp::Equal,
                CompareOp::Less => CompareOp::GreaterOrEqual,
                CompareOp::LessOrEqual => CompareOp::Greater,
                CompareOp::Greater => CompareOp::LessOrEqual,
                CompareOp::GreaterOrEqual => CompareOp::Less,
            }),
            Self::Distinct { not } => Self::Distinct { not: !not },
        }
    }

    /// The same with the sides exchanged.
    fn mirrored(self) -> Self {
        match self {
            Self::Op(CompareOp::Less) => Self::Op(CompareOp::Greater),
            Self::Op(CompareOp::LessOrEqual) => Self::Op(CompareOp::GreaterOrEqual),
            Self::Op(CompareOp::Greater) => Self::Op(CompareOp::Less),
            Self::Op(CompareOp::GreaterOrEqual) => Self::Op(CompareOp::LessOrEqual),
            same => same,
        }
    }
}

/// `left relation right`, where one is a column and one a constant.
pub(super) fn compare(left: Side, relation: Relation, right: Side) -> Option<Predicate> {
    match (left, right) {
        (Side::Column { path, kind, compared_as }, Side::Constant { kind: constant_kind, value }) => {
            (compared_as == constant_kind).then(|| with_constant(path, kind, compared_as, relation, value))?
        }
        (constant @ Side::Constant { .. }, column @ Side::Column { .. }) => {
            compare(column, relation.mirrored(), constant)
        }
        _ => None,
    }
}

/// `column [NOT] IN (values)`; a NULL among the values makes every miss NULL.
pub(super) fn in_list(column: Side, list: Vec<Side>, negated: bool) -> Option<Predicate> {
    let Side::Column { path, kind, compared_as } = column else { return None };
    let (mut values, mut has_null) = (Vec::with_capacity(list.len()), false);
    for element in list {
        let Side::Constant { kind: constant_kind, value } = element else { return None };
        if constant_kind != compared_as {
            return None;
        }
        match value {
            None => has_null = true,
            Some(value) => {
                if let Place::At(value) = place(kind, compared_as, value)? {
                    values.push(value);
                }
            }
        }
    }
    Some(match (values.is_empty(), negated) {
        (_, true) if has_null => never(),
        (true, true) => is_null(path, true),
        (true, false) => never(),
        (false, _) => Predicate::In { column: path, values, negated },
    })
}

pub(super) fn is_null(column: ColumnPath, negated: bool) -> Predicate {
    Predicate::IsNull { column, negated }
}

fn with_constant(
    path: ColumnPath,
    kind: Kind,
    compared_as: Kind,
    relation: Relation,
    value: Constant,
) -> Option<Predicate> {
    let Some(value) = value else {
        return Some(match relation {
            Relation::Op(_) => never(),
            Relation::Distinct { not } => is_null(path, !not),
        });
    };
    if let (Kind::Timestamp(_), Kind::Date, Scalar::Date(day)) = (kind, compared_as, &value) {
        return day_of_timestamp(&path, relation, *day);
    }
    let place = place(kind, compared_as, value)?;
    Some(match relation {
        Relation::Op(op) => place.compare(path, op),
        Relation::Distinct { not: true } => place.compare(path, CompareOp::Equal),
        Relation::Distinct { not: false } => {
            any(vec![is_null(path.clone(), false), place.compare(path, CompareOp::NotEqual)])
        }
    })
}

/// Where a constant stands among the values a column can have.
#[derive(Debug, PartialEq)]
enum Place {
    /// It is one of them.
    At(Scalar),
    /// Right above this one and below the next.
    Above(Scalar),
    /// Below all of them.
    Below,
}

impl Place {
    fn compare(self, column: ColumnPath, op: CompareOp) -> Predicate {
        use CompareOp::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        match (self, op) {
            (Self::At(value), op) => Predicate::Compare { column, op, value },
            (_, Equal) | (Self::Below, Less | LessOrEqual) => never(),
            (_, NotEqual) | (Self::Below, Greater | GreaterOrEqual) => is_null(column, true),
            (Self::Above(value), Less | LessOrEqual) => Predicate::Compare { column, op: LessOrEqual, value },
            (Self::Above(value), Greater | GreaterOrEqual) => Predicate::Compare { column, op: Greater, value },
        }
    }
}

/// Where `constant`, a value of type `compared_as`, stands among the values of `kind` cast to `compared_as`. `None` if
/// that cast does not keep value and order, or depends on the session (time zones).
fn place(kind: Kind, compared_as: Kind, constant: Scalar) -> Option<Place> {
    if kind == compared_as {
        return Some(Place::At(constant));
    }
    match (kind, compared_as, constant) {
        (
            Kind::Integer { bits, signed },
            Kind::Integer { bits: wider, signed: becomes_signed },
            Scalar::Integer(value),
        ) if wider > bits && (becomes_signed || !signed) => Some(whole(bits, signed, value, true)),
        (Kind::Integer { bits, signed }, Kind::Decimal { scale, .. }, Scalar::Decimal { unscaled, .. }) => {
            let (floor, is_exact) = divide(unscaled, 10_i128.pow(scale));
            Some(whole(bits, signed, floor, is_exact))
        }
        (Kind::Integer { bits: ..=32, .. }, Kind::Double, Scalar::Float(value)) => rounded_down(kind, value),
        (Kind::Integer { bits: ..=16, .. }, Kind::Float, Scalar::Float(value)) => rounded_down(kind, value),
        (Kind::Decimal { width, scale }, Kind::Decimal { scale: finer, .. }, Scalar::Decimal { unscaled, .. })
            if finer >= scale =>
        {
            let (floor, is_exact) = divide(unscaled, 10_i128.pow(finer - scale));
            let greatest = 10_i128.pow(width) - 1;
            let decimal = |unscaled| Scalar::Decimal { unscaled, scale: u8::try_from(scale).expect("at most 38") };
            Some(within(-greatest, greatest, floor, is_exact, decimal))
        }
        (Kind::Float, Kind::Double, Scalar::Float(value)) => Some(single(value)),
        // Both are compared in microseconds.
        (Kind::Timestamp(unit), Kind::Timestamp(finer), micros) if finer > unit => Some(Place::At(micros)),
        (Kind::Timestamp(_), Kind::TimestampNs, Scalar::Integer(nanos)) => {
            let micros = i64::try_from(nanos.div_euclid(1_000)).ok().filter(|_| nanos.abs() != i64::MAX.into())?;
            Some(at_or_above(Scalar::Timestamp(micros), nanos.rem_euclid(1_000) == 0))
        }
        (Kind::Date, Kind::Timestamp(_), Scalar::Timestamp(micros)) => {
            let is_finite = micros.unsigned_abs() != i64::MAX.unsigned_abs();
            let day = i32::try_from(micros.div_euclid(DAY_MICROS)).ok().filter(|_| is_finite)?;
            Some(at_or_above(Scalar::Date(day), micros.rem_euclid(DAY_MICROS) == 0))
        }
        _ => None,
    }
}

fn at_or_above(value: Scalar, is_exact: bool) -> Place {
    if is_exact { Place::At(value) } else { Place::Above(value) }
}

fn within(least: i128, greatest: i128, floor: i128, is_exact: bool, scalar: impl Fn(i128) -> Scalar) -> Place {
    match floor {
        floor if floor < least => Place::Below,
        floor if floor > greatest => Place::Above(scalar(greatest)),
        floor => at_or_above(scalar(floor), is_exact),
    }
}

/// Of at most 64 bits.
fn whole(bits: u32, signed: bool, floor: i128, is_exact: bool) -> Place {
    let values = 1_i128 << bits;
    let least = if signed { -values / 2 } else { 0 };
    within(least, least + values - 1, floor, is_exact, Scalar::Integer)
}

fn divide(value: i128, by: i128) -> (i128, bool) {
    (value.div_euclid(by), value.rem_euclid(by) == 0)
}

/// The conversion saturates, far outside of what the integer holds. NaN is above every number.
fn rounded_down(kind: Kind, value: f64) -> Option<Place> {
    let Kind::Integer { bits, signed } = kind else { return None };
    (!value.is_nan()).then(|| whole(bits, signed, value.floor() as i128, value.floor() == value))
}

/// The greatest FLOAT not above a DOUBLE.
fn single(value: f64) -> Place {
    let nearest = value as f32;
    let is_exact = f64::from(nearest) == value || value.is_nan();
    let floor = if f64::from(nearest) > value { nearest.next_down() } else { nearest };
    at_or_above(Scalar::Float(floor.into()), is_exact)
}

const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// `CAST(column AS DATE) relation day` of a TIMESTAMP, TIMESTAMP_S or TIMESTAMP_MS: a range of the column. The infinities are no such days.
fn day_of_timestamp(path: &ColumnPath, relation: Relation, day: i32) -> Option<Predicate> {
    let is_finite = day.unsigned_abs() != i32::MAX.unsigned_abs();
    let start = i64::from(day).checked_mul(DAY_MICROS).filter(|_| is_finite)?;
    let end = start.checked_add(DAY_MICROS)?;
    let bound = |op, micros| Predicate::Compare { column: path.clone(), op, value: Scalar::Timestamp(micros) };
    let inside = || all(vec![bound(CompareOp::GreaterOrEqual, start), bound(CompareOp::Less, end)]);
    let outside = || vec![bound(CompareOp::Less, start), bound(CompareOp::GreaterOrEqual, end)];
    Some(match relation {
        Relation::Op(CompareOp::Equal) | Relation::Distinct { not: true } => inside(),
        Relation::Op(CompareOp::NotEqual) => any(outside()),
        Relation::Distinct { not: false } => any([vec![is_null(path.clone(), false)], outside()].concat()),
        Relation::Op(CompareOp::Less) => bound(CompareOp::Less, start),
        Relation::Op(CompareOp::LessOrEqual) => bound(CompareOp::Less, end),
        Relation::Op(CompareOp::Greater) => bound(CompareOp::GreaterOrEqual, end),
        Relation::Op(CompareOp::GreaterOrEqual) => bound(CompareOp::GreaterOrEqual, start),
    })
}

#[cfg(test)]
mod tests;
