//! Expressions that are a column and nothing else.

use arrow::datatypes::TimeUnit::{self, Microsecond, Millisecond, Nanosecond, Second};

use super::{
    cast::{Offer, offer},
    rules::wider,
    tree::{Node, Typed},
    types::Type,
};

/// The column that a value is, if it is a bare one, or one whose values were cast to others of the same order.
pub(super) fn column(tree: &Typed) -> Option<usize> {
    match &tree.node {
        Node::Column { index, .. } => Some(*index),
        Node::Cast { input, lenient, .. }
            if keeps_order(&input.ty, &tree.ty) && !(*lenient && offer(&input.ty, &tree.ty) == Offer::Partial) =>
        {
            column(input)
        }
        _ => None,
    }
}

/// Whether two values are less, equal or greater in one type as they are in the other, each value of which stays itself.
/// A cast may still fail, where the other type ends sooner.
fn keeps_order(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (_, Type::Decimal(width, scale)) => digits(from).is_some_and(|(whole, fraction)| {
            // Neither side of the point may lose a digit.
            fraction <= *scale && whole <= width - scale
        }),
        (Type::Float, Type::Double) | (Type::Json, Type::Varchar) => true,
        (_, Type::Float) => digits(from).is_some_and(|(whole, _)| whole <= 5) && from.is_integer(),
        (_, Type::Double) => digits(from).is_some_and(|(whole, _)| whole <= 10) && from.is_integer(),
        (Type::Date, Type::Timestamp(_) | Type::TimestampTz) => true,
        (Type::Timestamp(from), Type::Timestamp(to)) => fineness(*from) <= fineness(*to),
        (Type::Timestamp(from), Type::TimestampTz) => fineness(*from) <= fineness(Microsecond),
        _ => from.is_integer() && wider(from, to),
    }
}

/// How many digits the longest values have before and behind the point.
fn digits(ty: &Type) -> Option<(u8, u8)> {
    match ty {
        // It has values of 39 digits.
        Type::HugeInt | Type::UHugeInt | Type::Null | Type::Boolean => None,
        _ => ty.as_decimal().map(|(width, scale)| (width - scale, scale)),
    }
}

const fn fineness(unit: TimeUnit) -> u8 {
    match unit {
        Second => 0,
        Millisecond => 1,
        Microsecond => 2,
        Nanosecond => 3,
    }
}
