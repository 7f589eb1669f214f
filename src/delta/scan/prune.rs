//! Whether some row behind known bounds may satisfy a predicate: one evaluator for files, row groups and pages.
//!
//! Knows nothing of where bounds come from. When in doubt the answer is yes: a row kept too many costs time, a row
//! lost is a wrong answer.

use std::cmp::Ordering;

use super::order::{bytes, compare};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// What is known of one column over a set of rows. Nothing, by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ColumnBounds {
    /// No value that is neither NULL nor NaN is less.
    pub(super) min: Option<Scalar>,
    /// No value that is neither NULL nor NaN is greater.
    pub(super) max: Option<Scalar>,
    /// How many values are NULL.
    pub(super) nulls: Nulls,
    /// Whether a NaN may hide outside `min` and `max`: writers leave NaN out of statistics.
    pub(super) hidden_nan: bool,
}

/// How many values are NULL, as far as pruning cares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Nulls {
    /// Any number.
    #[default]
    Unknown,
    /// None.
    None,
    /// All of them.
    All,
}

impl Nulls {
    /// From a count of NULLs among `rows`.
    pub(super) fn of(nulls: Option<u64>, rows: Option<u64>) -> Self {
        match (nulls, rows) {
            (Some(nulls), Some(rows)) if nulls >= rows => Self::All,
            (Some(0), _) => Self::None,
            _ => Self::Unknown,
        }
    }
}

impl ColumnBounds {
    /// Every value is this one.
    pub(super) fn exactly(value: Scalar) -> Self {
        Self { min: Some(value.clone()), max: Some(value), nulls: Nulls::None, hidden_nan: false }
    }

    /// Every value is NULL.
    pub(super) fn all_null() -> Self {
        Self { nulls: Nulls::All, ..Self::default() }
    }
}

/// Where bounds are looked up.
pub(super) trait Bounds {
    /// What is known of the column; `None` if nothing is.
    fn column(&self, path: &ColumnPath) -> Option<ColumnBounds>;
}

/// Whether some row may satisfy the predicate.
pub(super) fn may_match(predicate: &Predicate, bounds: &dyn Bounds) -> bool {
    match predicate {
        Predicate::Unknown => true,
        Predicate::And(parts) => parts.iter().all(|part| may_match(part, bounds)),
        Predicate::Or(parts) => parts.iter().any(|part| may_match(part, bounds)),
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::IsNull { column, .. }
        | Predicate::StartsWith { column, .. } => {
            bounds.column(column).is_none_or(|bounds| leaf_may_match(predicate, &bounds))
        }
    }
}

/// [`may_match`] of a predicate on a single column.
pub(super) fn leaf_may_match(leaf: &Predicate, bounds: &ColumnBounds) -> bool {
    if let Predicate::IsNull { negated, .. } = leaf {
        return bounds.nulls != if *negated { Nulls::All } else { Nulls::None };
    }
    if bounds.nulls == Nulls::All {
        return false;
    }
    if let (Some(min), Some(max)) = (&bounds.min, &bounds.max)
        && compare(min, max).is_none_or(Ordering::is_gt)
    {
        return true; // bounds that contradict themselves say nothing
    }
    match leaf {
        Predicate::Compare { op, value, .. } => compare_may_match(*op, value, bounds),
        Predicate::In { values, negated: false, .. } => values.iter().any(|value| may_equal(value, bounds)),
        Predicate::In { values, negated: true, .. } => {
            bounds.hidden_nan || !values.iter().any(|value| only_value_is(value, bounds))
        }
        Predicate::StartsWith { prefix, negated, .. } => prefix_may_match(prefix.as_bytes(), *negated, bounds),
        _ => true,
    }
}

fn compare_may_match(op: CompareOp, value: &Scalar, bounds: &ColumnBounds) -> bool {
    match op {
        CompareOp::Equal => may_equal(value, bounds),
        CompareOp::NotEqual => bounds.hidden_nan || !only_value_is(value, bounds),
        CompareOp::Less => min_is(bounds, value, Ordering::is_lt),
        CompareOp::LessOrEqual => min_is(bounds, value, Ordering::is_le),
        CompareOp::Greater => bounds.hidden_nan || max_is(bounds, value, Ordering::is_gt),
        CompareOp::GreaterOrEqual => bounds.hidden_nan || max_is(bounds, value, Ordering::is_ge),
    }
}

fn may_equal(value: &Scalar, bounds: &ColumnBounds) -> bool {
    let hidden = bounds.hidden_nan && matches!(value, Scalar::Float(float) if float.is_nan());
    hidden || (min_is(bounds, value, Ordering::is_le) && max_is(bounds, value, Ordering::is_ge))
}

/// Whether every value that is not NULL equals `value`.
fn only_value_is(value: &Scalar, bounds: &ColumnBounds) -> bool {
    let equals =
        |bound: &Option<Scalar>| bound.as_ref().is_some_and(|b| compare(b, value).is_some_and(Ordering::is_eq));
    equals(&bounds.min) && equals(&bounds.max)
}

fn min_is(bounds: &ColumnBounds, value: &Scalar, wanted: fn(Ordering) -> bool) -> bool {
    bounds.min.as_ref().and_then(|min| compare(min, value)).is_none_or(wanted)
}

fn max_is(bounds: &ColumnBounds, value: &Scalar, wanted: fn(Ordering) -> bool) -> bool {
    bounds.max.as_ref().and_then(|max| compare(max, value)).is_none_or(wanted)
}

/// Values between two that start with a prefix start with it too, and so do those between the prefix and its
/// greatest continuation.
fn prefix_may_match(prefix: &[u8], negated: bool, bounds: &ColumnBounds) -> bool {
    let min = bounds.min.as_ref().and_then(bytes);
    let max = bounds.max.as_ref().and_then(bytes);
    let starts = |bound: Option<&[u8]>| bound.is_some_and(|bound| bound.starts_with(prefix));
    if negated {
        return !(starts(min) && starts(max));
    }
    let all_before = max.is_some_and(|max| max < prefix);
    let all_after = min.is_some_and(|min| min > prefix && !min.starts_with(prefix));
    !(all_before || all_after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column() -> ColumnPath {
        vec!["c".to_owned()]
    }

    fn compare_with(op: CompareOp, value: Scalar) -> Predicate {
        Predicate::Compare { column: column(), op, value }
    }

    fn between(min: Scalar, max: Scalar) -> ColumnBounds {
        ColumnBounds { min: Some(min), max: Some(max), ..ColumnBounds::default() }
    }

    fn integers(min: i128, max: i128) -> ColumnBounds {
        between(Scalar::Integer(min), Scalar::Integer(max))
    }

    #[test]
    fn comparisons_against_an_interval() {
        let bounds = integers(10, 20);
        let kept = |value| CompareOp::ALL.map(|op| leaf_may_match(&compare_with(op, Scalar::Integer(value)), &bounds));
        assert_eq!(kept(9), [false, true, false, false, true, true]);
        assert_eq!(kept(10), [true, true, false, true, true, true]);
        assert_eq!(kept(20), [true, true, true, true, false, true]);
        assert_eq!(kept(21), [false, true, true, true, false, false]);
        let single = integers(7, 7);
        assert!(!leaf_may_match(&compare_with(CompareOp::NotEqual, Scalar::Integer(7)), &single));
    }

    #[test]
    fn nothing_is_concluded_from_other_kinds_or_broken_bounds() {
        for op in CompareOp::ALL {
            let predicate = compare_with(op, Scalar::Text("x".to_owned()));
            assert!(leaf_may_match(&predicate, &integers(1, 1)));
            assert!(leaf_may_match(&compare_with(op, Scalar::Integer(5)), &integers(9, 1)));
            assert!(leaf_may_match(&compare_with(op, Scalar::Integer(5)), &ColumnBounds::default()));
        }
    }

    #[test]
    fn nulls_decide_is_null_and_rule_out_the_rest() {
        let is_null = |negated| Predicate::IsNull { column: column(), negated };
        let with = |nulls| ColumnBounds { nulls, ..ColumnBounds::default() };
        assert!(!leaf_may_match(&is_null(false), &with(Nulls::None)));
        assert!(leaf_may_match(&is_null(true), &with(Nulls::None)));
        assert!(leaf_may_match(&is_null(false), &with(Nulls::All)));
        assert!(!leaf_may_match(&is_null(true), &with(Nulls::All)));
        assert!(leaf_may_match(&is_null(false), &with(Nulls::Unknown)));
        for op in CompareOp::ALL {
            assert!(!leaf_may_match(&compare_with(op, Scalar::Integer(1)), &ColumnBounds::all_null()));
        }
        assert_eq!(Nulls::of(Some(0), Some(0)), Nulls::All, "of no rows, none is other than NULL");
    }

    #[test]
    fn hidden_nan_keeps_what_nan_satisfies() {
        let bounds = ColumnBounds { hidden_nan: true, ..between(Scalar::Float(1.0), Scalar::Float(1.0)) };
        let kept = |value| CompareOp::ALL.map(|op| leaf_may_match(&compare_with(op, Scalar::Float(value)), &bounds));
        assert_eq!(kept(0.0), [false, true, false, false, true, true]);
        assert_eq!(kept(1.0), [true, true, false, true, true, true]);
        assert_eq!(kept(2.0), [false, true, true, true, true, true]);
        assert_eq!(kept(f64::NAN), [true, true, true, true, true, true]);
        let not_in = Predicate::In { column: column(), values: vec![Scalar::Float(1.0)], negated: true };
        assert!(leaf_may_match(&not_in, &bounds));
    }

    #[test]
    fn lists_and_prefixes() {
        let list = |values: &[i128], negated| Predicate::In {
            column: column(),
            values: values.iter().map(|v| Scalar::Integer(*v)).collect(),
            negated,
        };
        assert!(leaf_may_match(&list(&[1, 15], false), &integers(10, 20)));
        assert!(!leaf_may_match(&list(&[1, 25], false), &integers(10, 20)));
        assert!(!leaf_may_match(&list(&[3, 7], true), &integers(7, 7)));
        assert!(leaf_may_match(&list(&[7, 8], true), &integers(7, 8)), "only one value proves anything");

        let text = |s: &str| Scalar::Text(s.to_owned());
        let prefix = |negated| Predicate::StartsWith { column: column(), prefix: "ab".to_owned(), negated };
        for (min, max, plain, negated) in [
            ("a", "aa", false, true),
            ("a", "ab", true, true),
            ("abc", "abd", true, false),
            ("abc", "b", true, true),
            ("ac", "b", false, true),
        ] {
            let bounds = between(text(min), text(max));
            assert_eq!(leaf_may_match(&prefix(false), &bounds), plain, "{min}..{max}");
            assert_eq!(leaf_may_match(&prefix(true), &bounds), negated, "{min}..{max}");
        }
    }

    #[test]
    fn connectives_and_unknown() {
        struct One;
        impl Bounds for One {
            fn column(&self, path: &ColumnPath) -> Option<ColumnBounds> {
                (path.len() == 1).then(|| integers(1, 1))
            }
        }
        let no = compare_with(CompareOp::Less, Scalar::Integer(0));
        let elsewhere = Predicate::IsNull { column: vec!["s".into(), "f".into()], negated: false };
        assert!(may_match(&Predicate::Unknown, &One));
        assert!(!may_match(&Predicate::And(vec![Predicate::Unknown, no.clone()]), &One));
        assert!(may_match(&Predicate::Or(vec![Predicate::Unknown, no.clone()]), &One));
        assert!(may_match(&Predicate::Or(vec![no, elsewhere]), &One));
        assert!(may_match(&Predicate::And(vec![]), &One));
        assert!(!may_match(&Predicate::Or(vec![]), &One));
    }
}
