//! Predicates with what is already decided taken out.

use super::prune::{ColumnBounds, leaf_may_match};
use crate::engine::{ColumnPath, Predicate};

/// The predicate that no row satisfies.
pub(super) const NEVER: Predicate = Predicate::Or(Vec::new());

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

/// The predicate with the decided parts taken out: [`Predicate::Unknown`] if it keeps every row, [`NEVER`] if
/// none, else one without either in it.
pub(super) fn simplify(predicate: &Predicate, known: &impl Fn(&ColumnPath) -> Known) -> Predicate {
    match predicate {
        Predicate::Unknown => Predicate::Unknown,
        Predicate::And(parts) => {
            let mut left: Vec<_> = parts.iter().map(|part| simplify(part, known)).collect();
            left.retain(|part| *part != Predicate::Unknown);
            if left.contains(&NEVER) {
                return NEVER;
            }
            one_or(left, Predicate::Unknown, Predicate::And)
        }
        Predicate::Or(parts) => {
            let mut left: Vec<_> = parts.iter().map(|part| simplify(part, known)).collect();
            left.retain(|part| *part != NEVER);
            if left.contains(&Predicate::Unknown) {
                return Predicate::Unknown;
            }
            one_or(left, NEVER, Predicate::Or)
        }
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::IsNull { column, .. }
        | Predicate::StartsWith { column, .. } => match known(column) {
            Known::Nothing => predicate.clone(),
            // Of a single value, what may match does match.
            Known::Constant(bounds) if !leaf_may_match(predicate, &bounds) => NEVER,
            Known::Constant(_) | Known::Unreadable => Predicate::Unknown,
        },
    }
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
    use crate::engine::{CompareOp, Scalar};

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
        assert_eq!(both(is("one", 2), is("c", 5)), NEVER);
        assert_eq!(both(is("null", 2), Predicate::Unknown), NEVER);
        assert_eq!(both(is("gone", 2), is("one", 1)), Predicate::Unknown);
        assert_eq!(either(is("one", 2), is("c", 5)), is("c", 5));
        assert_eq!(either(is("one", 1), is("c", 5)), Predicate::Unknown);
        assert_eq!(either(is("one", 2), is("null", 5)), NEVER);
        assert_eq!(either(is("c", 1), is("d", 5)), Predicate::Or(vec![is("c", 1), is("d", 5)]));
        let null = Predicate::IsNull { column: vec!["null".to_owned()], negated: false };
        assert_eq!(simplify(&null, &known), Predicate::Unknown);
    }
}
