//! The logic of filters: AND, OR, NOT and what stands below them.
//!
//! Negation is pushed down to the leaves. With three-valued logic that is exact: NOT of NULL is NULL, which rejects a
//! row like false does, so a leaf that is NULL must come out as rejecting on both sides of a NOT.

use super::{
    column::{class, column, side},
    compare::{self, Relation},
    constant::{self, Kind},
    json::Json,
    text,
};
use crate::engine::{CompareOp, Predicate, Scalar};

/// The longest IN list that is kept; a longer one is worth less than it costs to test.
const IN_VALUES_MAX: usize = 10_000;

/// How many expressions deep a predicate may nest (chains of one kind count once): bounds the recursion of all that
/// evaluates and encodes it.
const DEPTH_MAX: usize = 40;

/// All of the filters.
pub(super) fn conjunction(filters: &[Json<'_>], names: &[&str]) -> Predicate {
    let scope = Scope { names };
    let predicate = all(filters.iter().map(|filter| scope.filter(filter, false)).collect());
    limited(predicate, DEPTH_MAX)
}

/// All of them; what is unknown rejects nothing.
pub(super) fn all(parts: Vec<Predicate>) -> Predicate {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Unknown => {}
            Predicate::And(nested) => flat.extend(nested),
            part if part == never() => return part,
            part => flat.push(part),
        }
    }
    match flat.len() {
        0 => Predicate::Unknown,
        1 => flat.remove(0),
        _ => Predicate::And(flat),
    }
}

/// Any of them; one that is unknown makes it unknown.
pub(super) fn any(parts: Vec<Predicate>) -> Predicate {
    let mut flat = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Unknown => return part,
            Predicate::Or(nested) => flat.extend(nested),
            part => flat.push(part),
        }
    }
    if flat.len() == 1 { flat.remove(0) } else { Predicate::Or(flat) }
}

/// False or NULL for every row.
pub(super) fn never() -> Predicate {
    Predicate::Or(vec![])
}

/// The names of the scan's columns by binding index.
struct Scope<'a> {
    names: &'a [&'a str],
}

impl Scope<'_> {
    /// A condition, or its negation.
    fn filter(&self, expression: &Json<'_>, negated: bool) -> Predicate {
        let predicate = match class(expression) {
            Some("BOUND_CONJUNCTION") => self.junction(expression, negated),
            Some("BOUND_COMPARISON") => self.comparison(expression, negated),
            Some("BOUND_BETWEEN") => self.between(expression, negated),
            Some("BOUND_OPERATOR") => self.operator(expression, negated),
            Some("BOUND_CONSTANT") => boolean_constant(expression, negated),
            Some("BOUND_COLUMN_REF") => self.boolean_column(expression, negated),
            Some("BOUND_FUNCTION") => {
                text::predicate(expression, self.names, negated).or_else(|| self.boolean_column(expression, negated))
            }
            _ => None,
        };
        predicate.unwrap_or(Predicate::Unknown)
    }

    fn junction(&self, expression: &Json<'_>, negated: bool) -> Option<Predicate> {
        let is_and = match expression.get("type")?.text()? {
            "CONJUNCTION_AND" => true,
            "CONJUNCTION_OR" => false,
            _ => return None,
        };
        let parts = expression.get("children")?.array()?.iter().map(|child| self.filter(child, negated)).collect();
        Some(if is_and != negated { all(parts) } else { any(parts) })
    }

    fn comparison(&self, expression: &Json<'_>, negated: bool) -> Option<Predicate> {
        let relation = Relation::from_type(expression.get("type")?.text()?)?;
        self.compare(expression.get("left")?, relation, expression.get("right")?, negated)
    }

    fn compare(&self, left: &Json<'_>, relation: Relation, right: &Json<'_>, negated: bool) -> Option<Predicate> {
        let relation = if negated { relation.negated() } else { relation };
        compare::compare(side(left, self.names)?, relation, side(right, self.names)?)
    }

    /// Two comparisons; either may be unknown.
    fn between(&self, expression: &Json<'_>, negated: bool) -> Option<Predicate> {
        if expression.get("type")?.text()? != "COMPARE_BETWEEN" {
            return None;
        }
        let bound = |bound: &str, inclusive: &str, with: CompareOp, without: CompareOp| {
            let op = if expression.get(inclusive)?.bool()? { with } else { without };
            self.compare(expression.get("input")?, Relation::Op(op), expression.get(bound)?, negated)
        };
        let lower = bound("lower", "lower_inclusive", CompareOp::GreaterOrEqual, CompareOp::Greater);
        let upper = bound("upper", "upper_inclusive", CompareOp::LessOrEqual, CompareOp::Less);
        let bounds = [lower, upper].map(|bound| bound.unwrap_or(Predicate::Unknown)).into();
        Some(if negated { any(bounds) } else { all(bounds) })
    }

    fn operator(&self, expression: &Json<'_>, negated: bool) -> Option<Predicate> {
        let children = expression.get("children")?.array()?;
        match (expression.get("type")?.text()?, children) {
            ("OPERATOR_NOT", [child]) => Some(self.filter(child, !negated)),
            ("OPERATOR_IS_NULL", [child]) => Some(compare::is_null(column(child, self.names)?.path, negated)),
            ("OPERATOR_IS_NOT_NULL", [child]) => Some(compare::is_null(column(child, self.names)?.path, !negated)),
            ("COMPARE_IN", [child, list @ ..]) => self.in_list(child, list, negated),
            ("COMPARE_NOT_IN", [child, list @ ..]) => self.in_list(child, list, !negated),
            _ => None,
        }
    }

    fn in_list(&self, child: &Json<'_>, list: &[Json<'_>], negated: bool) -> Option<Predicate> {
        if list.len() > IN_VALUES_MAX {
            return None;
        }
        let values: Option<Vec<_>> = list.iter().map(|value| side(value, self.names)).collect();
        compare::in_list(side(child, self.names)?, values?, negated)
    }

    fn boolean_column(&self, expression: &Json<'_>, negated: bool) -> Option<Predicate> {
        let column = column(expression, self.names)?;
        let is_boolean = column.kind()? == Kind::Boolean;
        let (op, value) = (CompareOp::Equal, Scalar::Boolean(!negated));
        is_boolean.then_some(Predicate::Compare { column: column.path, op, value })
    }
}

fn boolean_constant(expression: &Json<'_>, negated: bool) -> Option<Predicate> {
    match constant::parse(expression)? {
        (Kind::Boolean, None) => Some(never()),
        (Kind::Boolean, Some(Scalar::Boolean(value))) if value == negated => Some(never()),
        _ => None,
    }
}

/// What nests deeper than `depth` becomes unknown.
fn limited(predicate: Predicate, depth: usize) -> Predicate {
    match (predicate, depth) {
        (Predicate::And(_) | Predicate::Or(_), 0) => Predicate::Unknown,
        (Predicate::And(parts), _) => all(parts.into_iter().map(|part| limited(part, depth - 1)).collect()),
        (Predicate::Or(parts), _) => any(parts.into_iter().map(|part| limited(part, depth - 1)).collect()),
        (leaf, _) => leaf,
    }
}
