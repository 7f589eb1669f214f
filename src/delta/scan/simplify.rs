//! Predicates with what is already decided taken out.

use super::{
    order::compare,
    prune::{ColumnBounds, leaf_may_match},
};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// What a column is to a predicate.
#[derive(Debug)]
pub(super) enum Known {
    /// It has to be looked at.
    Nothing,
    /// Every row has this one value, or NULL.
    Constant(ColumnBounds),
    /// It cannot be looked at.
    Unreadable,
}

/// The predicate with the decided parts taken out: [`Predicate::Unknown`] if it keeps every row, [`Predicate::NEVER`] if
/// none, else one without either in it.
pub(super) fn simplify(predicate: &Predicate, known: &impl Fn(&ColumnPath) -> Known) -> Predicate {
    match predicate {
        Predicate::Unknown => Predicate::Unknown,
        Predicate::And(parts) => {
            let mut left: Vec<_> = parts.iter().map(|part| simplify(part, known)).collect();
            left.retain(|part| *part != Predicate::Unknown);
            if left.contains(&Predicate::NEVER) {
                return Predicate::NEVER;
            }
            one_or(left, Predicate::Unknown, Predicate::And)
        }
        Predicate::Or(parts) => {
            let mut left: Vec<_> = parts.iter().map(|part| simplify(part, known)).collect();
            left.retain(|part| *part != Predicate::NEVER);
            if left.contains(&Predicate::Unknown) {
                return Predicate::Unknown;
            }
            one_or(left, Predicate::NEVER, Predicate::Or)
        }
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::IsNull { column, .. }
        | Predicate::StartsWith { column, .. } => match known(column) {
            Known::Nothing => predicate.clone(),
            // Of a single value, what may match does match.
            Known::Constant(bounds) if !leaf_may_match(predicate, &bounds) => Predicate::NEVER,
            Known::Constant(_) | Known::Unreadable => Predicate::Unknown,
        },
    }
}

/// Lists longer than this are pruned by their extremes only: bounds are looked up for every file and page, and a
/// long list would be gone through each time.
const LIST_MAX: usize = 64;

/// A predicate for bounds: true of every row that `predicate` is true of, and quick to decide.
pub(super) fn coarse(predicate: &Predicate) -> Predicate {
    match predicate {
        Predicate::And(parts) => Predicate::And(parts.iter().map(coarse).collect()),
        Predicate::Or(parts) => Predicate::Or(parts.iter().map(coarse).collect()),
        Predicate::In { column, values, negated } if values.len() > LIST_MAX => match extremes(values) {
            Some((min, max)) if !negated => {
                let compare =
                    |op, value: &Scalar| Predicate::Compare { column: column.clone(), op, value: value.clone() };
                Predicate::And(vec![compare(CompareOp::GreaterOrEqual, min), compare(CompareOp::LessOrEqual, max)])
            }
            _ => Predicate::Unknown,
        },
        other => other.clone(),
    }
}

/// The least and the greatest; `None` if they are not all of one kind.
fn extremes(values: &[Scalar]) -> Option<(&Scalar, &Scalar)> {
    let first = values.first()?;
    values.iter().try_fold((first, first), |(min, max), value| {
        let min = if compare(value, min)?.is_lt() { value } else { min };
        let max = if compare(value, max)?.is_gt() { value } else { max };
        Some((min, max))
    })
}

fn one_or(mut parts: Vec<Predicate>, none: Predicate, many: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    match parts.len() {
        0 => none,
        1 => parts.remove(0),
        _ => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(column: &str, value: i128) -> Predicate {
        Predicate::Compare { column: vec![column.to_owned()], op: CompareOp::Equal, value: Scalar::Integer(value) }
    }

    fn known(path: &ColumnPath) -> Known {
        match path[0].as_str() {
            "one" => Known::Constant(ColumnBounds::exactly(Scalar::Integer(1))),
            "null" => Known::Constant(ColumnBounds::all_null()),
            "gone" => Known::Unreadable,
            _ => Known::Nothing,
        }
    }

    #[test]
    fn decided_parts_go() {
        let both = |a: Predicate, b: Predicate| simplify(&Predicate::And(vec![a, b]), &known);
        let either = |a: Predicate, b: Predicate| simplify(&Predicate::Or(vec![a, b]), &known);
        assert_eq!(both(is("one", 1), is("c", 5)), is("c", 5));
        assert_eq!(both(is("one", 2), is("c", 5)), Predicate::NEVER);
        assert_eq!(both(is("null", 2), Predicate::Unknown), Predicate::NEVER);
        assert_eq!(both(is("gone", 2), is("one", 1)), Predicate::Unknown);
        assert_eq!(either(is("one", 2), is("c", 5)), is("c", 5));
        assert_eq!(either(is("one", 1), is("c", 5)), Predicate::Unknown);
        assert_eq!(either(is("one", 2), is("null", 5)), Predicate::NEVER);
        assert_eq!(either(is("c", 1), is("d", 5)), Predicate::Or(vec![is("c", 1), is("d", 5)]));
        let null = Predicate::IsNull { column: vec!["null".to_owned()], negated: false };
        assert_eq!(simplify(&null, &known), Predicate::Unknown);
    }

    #[test]
    fn long_lists_become_ranges() {
        let list = |values: Vec<Scalar>, negated| Predicate::In { column: vec!["c".to_owned()], values, negated };
        let long: Vec<Scalar> = (0..1000).map(|i| Scalar::Integer(i * 7919 % 1000)).collect();
        let at = |op, value| Predicate::Compare { column: vec!["c".to_owned()], op, value: Scalar::Integer(value) };
        let range = Predicate::And(vec![at(CompareOp::GreaterOrEqual, 0), at(CompareOp::LessOrEqual, 999)]);
        assert_eq!(coarse(&Predicate::Or(vec![list(long.clone(), false)])), Predicate::Or(vec![range]));
        assert_eq!(coarse(&list(long.clone(), true)), Predicate::Unknown);
        let mixed = [long.clone(), vec![Scalar::Boolean(true)]].concat();
        assert_eq!(coarse(&list(mixed, false)), Predicate::Unknown);
        let short = list(long[..3].to_vec(), true);
        assert_eq!(coarse(&short), short);
    }
}
