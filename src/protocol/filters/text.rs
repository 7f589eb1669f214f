//! Predicates on strings: prefixes, and patterns that begin with one.

use super::{
    column::{Side, function, side},
    compare::{self, Relation},
    constant::Kind,
    expression::never,
    json::Json,
};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// A function of a string column and a constant; each is NULL if either argument is.
pub(super) fn predicate(expression: &Json<'_>, names: &[&str], negated: bool) -> Option<Predicate> {
    let (name, [column, pattern]) = function(expression)? else { return None };
    let is_like = match name {
        "prefix" | "starts_with" | "^@" => false,
        "~~" | "!~~" => true,
        _ => return None,
    };
    let column = side(column, names)?;
    let (Side::Column { path, compared_as: Kind::Varchar, kind: Kind::Varchar }, Side::Constant { value, .. }) =
        (column, side(pattern, names)?)
    else {
        return None;
    };
    let Some(value) = value else { return Some(never()) };
    let Scalar::Text(pattern) = value else { return None };
    match is_like {
        true => like(path, pattern, negated != (name == "!~~")),
        false => Some(starts_with(path, pattern, negated)),
    }
}

fn starts_with(column: ColumnPath, prefix: String, negated: bool) -> Predicate {
    match (prefix.is_empty(), negated) {
        // Every string starts with the empty one.
        (true, true) => never(),
        (true, false) => compare::is_null(column, true),
        (false, _) => Predicate::StartsWith { column, prefix, negated },
    }
}

/// `%` is any text, `_` any character; there is no escape character unless ESCAPE names one, which is another function.
fn like(column: ColumnPath, pattern: String, negated: bool) -> Option<Predicate> {
    let Some(wildcard) = pattern.find(['%', '_']) else {
        let kind = Kind::Varchar;
        let relation = Relation::Op(if negated { CompareOp::NotEqual } else { CompareOp::Equal });
        let column = Side::Column { path: column, kind, compared_as: kind };
        return compare::compare(column, relation, Side::Constant { kind, value: Some(Scalar::Text(pattern)) });
    };
    let is_prefix = pattern[wildcard..].bytes().all(|byte| byte == b'%');
    // A match begins with the text before the first wildcard, but not all that begins so matches.
    (is_prefix || !negated).then(|| starts_with(column, pattern[..wildcard].to_owned(), negated))
}
