//! Which types become which by themselves: costs of implicit casts, the type two values share, overloads.
//!
//! DuckDB's rules (`cast_rules.cpp`, `types.cpp`, `bind_comparison_expression.cpp`, `function_binder.cpp`): a bare
//! literal is more willing than a column of its type.

use arrow::datatypes::TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};

use super::types::{DECIMAL_WIDTH_MAX, Type};

/// The type of an operand, and what it is beyond that if it is a bare literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) ty: Type,
    pub(super) literal: Option<Literal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal {
    Text,
    Integer(i128),
}

impl From<Type> for Operand {
    fn from(ty: Type) -> Self {
        Self { ty, literal: None }
    }
}

/// A type a function takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parameter {
    Of(Type),
    /// A DECIMAL of any width and scale.
    AnyDecimal,
}

/// What it costs to take `from` for `to`; `None` where only an explicit cast does.
pub(super) fn cost(from: &Operand, to: &Type) -> Option<u32> {
    if from.ty == Type::Null {
        return Some(target_cost(to));
    }
    match from.literal {
        Some(Literal::Text) if *to == Type::Varchar => return Some(1),
        Some(Literal::Text) => return Some(20),
        Some(Literal::Integer(_)) if from.ty == *to => return Some(0),
        Some(Literal::Integer(value)) if to.is_float() || fits(value, to) => return Some(target_cost(to) - 90),
        _ => {}
    }
    type_cost(&from.ty, to)
}

fn type_cost(from: &Type, to: &Type) -> Option<u32> {
    match (from, to) {
        (Type::Null, _) => return Some(target_cost(to)),
        (Type::Decimal(..), Type::Decimal(..)) => return Some(0),
        (Type::List(from), Type::List(to)) => return type_cost(from, to).map(|cost| cost.saturating_sub(1)),
        (Type::Array(from, size), Type::Array(to, wanted)) if size == wanted => {
            return type_cost(from, to).map(|cost| if cost >= 100 { cost - 1 } else { cost });
        }
        (Type::Array(from, _), Type::List(to)) => return type_cost(from, to).map(|cost| cost + 1),
        (Type::List(from), Type::Array(to, _)) => return type_cost(from, to),
        (Type::Struct(from), Type::Struct(to)) => return struct_cost(from, to),
        (Type::Json, Type::Varchar) => return Some(1),
        _ if from == to => return Some(0),
        _ => {}
    }
    let widens = match from {
        Type::Date => matches!(to, Type::Timestamp(_) | Type::TimestampTz),
        Type::Timestamp(Second) => matches!(to, Type::Timestamp(Microsecond | Millisecond | Nanosecond)),
        Type::Timestamp(Millisecond) => matches!(to, Type::Timestamp(Microsecond | Nanosecond)),
        Type::Timestamp(Nanosecond) => matches!(to, Type::Timestamp(Microsecond)),
        Type::Timestamp(Microsecond) => matches!(to, Type::Timestamp(Nanosecond) | Type::TimestampTz),
        Type::Float => matches!(to, Type::Double | Type::BigNum),
        Type::Double => *to == Type::BigNum,
        Type::BigNum => *to == Type::Double,
        Type::Decimal(..) => to.is_float(),
        _ if from.is_integer() => to.is_float() || matches!(to, Type::Decimal(..) | Type::BigNum) || wider(from, to),
        _ => false,
    };
    widens.then(|| target_cost(to))
}

fn struct_cost(from: &[(String, Type)], to: &[(String, Type)]) -> Option<u32> {
    if from.len() != to.len() {
        return None;
    }
    let costs = from.iter().map(|(name, ty)| {
        let (_, target) = to.iter().find(|(target, _)| target.eq_ignore_ascii_case(name))?;
        type_cost(ty, target)
    });
    costs.collect::<Option<Vec<_>>>().map(|costs| costs.into_iter().max().unwrap_or(0))
}

/// Whether every value of an integer type is one of another, larger one.
pub(super) fn wider(from: &Type, to: &Type) -> bool {
    let bits = |ty: &Type| match ty {
        Type::TinyInt | Type::UTinyInt => 8,
        Type::SmallInt | Type::USmallInt => 16,
        Type::Integer | Type::UInteger => 32,
        Type::BigInt | Type::UBigInt => 64,
        _ => 128,
    };
    to.is_integer() && bits(to) > bits(from) && (to.is_signed() || from.is_unsigned())
}

/// Whether an integer is one of a type's.
pub(super) fn fits(value: i128, ty: &Type) -> bool {
    match ty {
        Type::TinyInt => i8::try_from(value).is_ok(),
        Type::SmallInt => i16::try_from(value).is_ok(),
        Type::Integer => i32::try_from(value).is_ok(),
        Type::BigInt => i64::try_from(value).is_ok(),
        Type::HugeInt => true,
        Type::UTinyInt => u8::try_from(value).is_ok(),
        Type::USmallInt => u16::try_from(value).is_ok(),
        Type::UInteger => u32::try_from(value).is_ok(),
        Type::UBigInt => u64::try_from(value).is_ok(),
        Type::UHugeInt => value >= 0,
        _ => false,
    }
}

const fn target_cost(to: &Type) -> u32 {
    match to {
        Type::BigInt => 101,
        Type::Integer => 102,
        Type::HugeInt => 103,
        Type::Double => 104,
        Type::Decimal(..) => 105,
        Type::BigNum => 106,
        Type::Timestamp(Nanosecond) => 119,
        Type::Timestamp(Microsecond) => 120,
        Type::Timestamp(Millisecond) => 121,
        Type::Timestamp(Second) => 122,
        Type::TimestampTz => 123,
        Type::Varchar => 149,
        Type::Struct(_) | Type::Map(..) | Type::List(_) | Type::Array(..) => 160,
        _ => 110,
    }
}

/// The overload that costs least: its index. `Err(true)` if several do, `Err(false)` if none fits.
pub(super) fn overload<'a>(
    overloads: impl Iterator<Item = &'a [Parameter]>,
    arguments: &[Operand],
) -> Result<usize, bool> {
    let mut best: Option<(u32, usize, bool)> = None;
    for (index, parameters) in overloads.enumerate() {
        if parameters.len() != arguments.len() {
            continue;
        }
        let costs = arguments.iter().zip(parameters).map(|(argument, parameter)| parameter_cost(argument, parameter));
        let Some(cost) = costs.sum::<Option<u32>>() else { continue };
        best = match best {
            Some((least, first, _)) if cost == least => Some((least, first, true)),
            Some(kept) if cost > kept.0 => Some(kept),
            _ => Some((cost, index, false)),
        };
    }
    match best {
        Some((_, index, false)) => Ok(index),
        Some(_) => Err(true),
        None => Err(false),
    }
}

fn parameter_cost(argument: &Operand, parameter: &Parameter) -> Option<u32> {
    match parameter {
        Parameter::Of(ty) => cost(argument, ty),
        // A string literal does not say which DECIMAL it is.
        Parameter::AnyDecimal if argument.literal == Some(Literal::Text) => None,
        Parameter::AnyDecimal => cost(argument, &Type::Decimal(18, 3)),
    }
}

/// The type both can become: of CASE, COALESCE, lists.
pub(super) fn common(left: &Operand, right: &Operand) -> Option<Type> {
    combine(left, right, false)
}

/// The type two values are compared in.
pub(super) fn comparison(left: &Operand, right: &Operand, equality: bool) -> Option<Type> {
    let shared = if equality { force(left, right) } else { combine(left, right, false)? };
    Some(match shared {
        Type::Decimal(..) => compared_decimal(&left.ty, &right.ty).unwrap_or(shared),
        Type::Varchar if left.ty != Type::Varchar && compares_as_itself(&left.ty) => left.ty.clone(),
        Type::Varchar if right.ty != Type::Varchar && compares_as_itself(&right.ty) => right.ty.clone(),
        other => other,
    })
}

fn compared_decimal(left: &Type, right: &Type) -> Option<Type> {
    let ((left_width, left_scale), (right_width, right_scale)) = (left.as_decimal()?, right.as_decimal()?);
    let scale = left_scale.max(right_scale);
    let whole = (left_width - left_scale).max(right_width - right_scale);
    Some(Type::Decimal((scale + whole).max(left_width).max(right_width).min(DECIMAL_WIDTH_MAX), scale))
}

/// Types that text is cast to when compared with them.
const fn compares_as_itself(ty: &Type) -> bool {
    ty.is_numeric()
        || matches!(
            ty,
            Type::Boolean
                | Type::Date
                | Type::Time
                | Type::Timestamp(_)
                | Type::Interval
                | Type::TimestampTz
                | Type::TimeTz
        )
}

/// The shared type, or else the one of the higher rank.
fn force(left: &Operand, right: &Operand) -> Type {
    combine(left, right, true).unwrap_or_else(
        || {
            if rank(left) < rank(right) { right.ty.clone() } else { left.ty.clone() }
        },
    )
}

fn combine(left: &Operand, right: &Operand, forced: bool) -> Option<Type> {
    // JSON is VARCHAR under another name, and such names win.
    if left.ty == Type::Json || right.ty == Type::Json {
        return Some(Type::Json);
    }
    match (&left.ty, &right.ty) {
        (Type::Null, _) => return Some(right.ty.clone()),
        (_, Type::Null) => return Some(left.ty.clone()),
        _ => {}
    }
    let kind = std::mem::discriminant::<Type>;
    match (left.literal, right.literal) {
        (Some(Literal::Text), Some(Literal::Text)) => return Some(Type::Varchar),
        (Some(Literal::Text), _) => return Some(right.ty.clone()),
        (_, Some(Literal::Text)) => return Some(left.ty.clone()),
        (Some(Literal::Integer(_)), Some(Literal::Integer(_))) => {
            return combine_types(&left.ty, &right.ty, forced);
        }
        (None, None) if kind(&left.ty) == kind(&right.ty) => return combine_types(&left.ty, &right.ty, forced),
        _ => {}
    }
    let (there, back) = (cost(left, &right.ty), cost(right, &left.ty));
    match (there, back) {
        (Some(there), Some(back)) if there < back => Some(grown(&left.ty, &right.ty)),
        (Some(_), None) => Some(grown(&left.ty, &right.ty)),
        (_, Some(_)) => Some(grown(&right.ty, &left.ty)),
        (None, None) if left.literal.is_some() || right.literal.is_some() => {
            combine(&left.ty.clone().into(), &right.ty.clone().into(), forced)
        }
        (None, None) => unrelated(&left.ty, &right.ty),
    }
}

/// `to`, with room for every value of `from` if it is a DECIMAL.
fn grown(from: &Type, to: &Type) -> Type {
    match (from.as_decimal(), to) {
        (Some((width, _)), Type::Decimal(own, scale)) if width > own - scale => {
            Type::Decimal((width + scale).min(DECIMAL_WIDTH_MAX), *scale)
        }
        _ => to.clone(),
    }
}

/// Types of which neither holds the other: integers of both signs, or BOOLEAN and an integer.
fn unrelated(left: &Type, right: &Type) -> Option<Type> {
    match (left, right) {
        (Type::Boolean, other) | (other, Type::Boolean) if other.is_integer() => Some(other.clone()),
        (signed, unsigned) | (unsigned, signed) if signed.is_signed() && unsigned.is_unsigned() => {
            Some(match (signed, unsigned) {
                (Type::HugeInt, _) => Type::Double,
                (Type::BigInt, _) | (_, Type::UBigInt) => Type::HugeInt,
                (Type::Integer, _) | (_, Type::UInteger) => Type::BigInt,
                (Type::SmallInt, _) | (_, Type::USmallInt) => Type::Integer,
                // UHUGEINT too: what does not fit fails.
                _ => Type::SmallInt,
            })
        }
        _ => None,
    }
}

/// Two types of one kind, or of two literals.
fn combine_types(left: &Type, right: &Type, forced: bool) -> Option<Type> {
    let inner = |left: &Type, right: &Type| {
        let (left, right) = (left.clone().into(), right.clone().into());
        if forced { Some(force(&left, &right)) } else { combine(&left, &right, false) }
    };
    match (left, right) {
        (Type::Decimal(left_width, left_scale), Type::Decimal(right_width, right_scale)) => {
            let whole = (left_width - left_scale).max(right_width - right_scale);
            let scale = *left_scale.max(right_scale);
            let width = whole + scale;
            Some(if width > DECIMAL_WIDTH_MAX {
                Type::Decimal(DECIMAL_WIDTH_MAX, DECIMAL_WIDTH_MAX - whole)
            } else {
                Type::Decimal(width, scale)
            })
        }
        (Type::Timestamp(_), Type::Timestamp(_)) if left != right => {
            let (there, back) = (type_cost(left, right), type_cost(right, left));
            match (there, back) {
                (Some(there), Some(back)) if there < back => Some(right.clone()),
                (Some(_), None) => Some(right.clone()),
                _ => Some(left.clone()),
            }
        }
        (Type::List(left), Type::List(right)) => Some(Type::List(Box::new(inner(left, right)?))),
        (Type::Array(left, size), Type::Array(right, other)) => {
            Some(Type::Array(Box::new(inner(left, right)?), *size.max(other)))
        }
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            Some(Type::Map(Box::new(inner(key, other_key)?), Box::new(inner(value, other_value)?)))
        }
        (Type::Struct(left), Type::Struct(right)) => combine_structs(left, right, inner),
        _ if left == right => Some(left.clone()),
        _ => combine(&left.clone().into(), &right.clone().into(), forced),
    }
}

fn combine_structs(
    left: &[(String, Type)],
    right: &[(String, Type)],
    inner: impl Fn(&Type, &Type) -> Option<Type>,
) -> Option<Type> {
    let find = |fields: &[(String, Type)], wanted: &str| {
        fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, ty)| ty.clone())
    };
    let mut fields = Vec::with_capacity(left.len());
    for (name, ty) in left {
        let ty = match find(right, name) {
            Some(other) => inner(ty, &other)?,
            None => ty.clone(),
        };
        fields.push((name.clone(), ty));
    }
    fields.extend(right.iter().filter(|(name, _)| find(left, name).is_none()).cloned());
    Some(Type::Struct(fields))
}

fn rank(operand: &Operand) -> u32 {
    if operand.literal.is_some() {
        return 0;
    }
    match &operand.ty {
        Type::Null => 0,
        Type::Boolean => 10,
        Type::UTinyInt => 11,
        Type::TinyInt => 12,
        Type::USmallInt => 13,
        Type::SmallInt => 14,
        Type::UInteger => 15,
        Type::Integer => 16,
        Type::UBigInt => 17,
        Type::BigInt => 18,
        Type::UHugeInt => 19,
        Type::HugeInt => 20,
        Type::Decimal(..) => 21,
        Type::Float => 22,
        Type::Double => 23,
        Type::Time | Type::TimeTz => 50,
        Type::TimeNs => 51,
        Type::Date => 52,
        Type::Timestamp(Second) => 53,
        Type::Timestamp(Millisecond) => 54,
        Type::Timestamp(Microsecond) | Type::TimestampTz => 55,
        Type::Timestamp(Nanosecond) => 56,
        Type::Interval => 58,
        Type::Varchar | Type::Json => 77,
        Type::Bit => 100,
        Type::Blob => 101,
        Type::Uuid => 102,
        Type::BigNum => 103,
        Type::Struct(_) => 125,
        Type::List(_) | Type::Array(..) => 126,
        Type::Map(..) => 127,
    }
}
