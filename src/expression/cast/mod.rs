//! Casts between types: which are offered, and their values.
//!
//! Each is DuckDB's, value for value. A cast fails with the value and the type, or answers NULL where it is lenient
//! (TRY_CAST).

pub(super) mod calendar;
pub(super) mod interval;
mod nested;
pub(super) mod numeric;
pub(super) mod read;
mod read_time;
pub(super) mod temporal;
mod text;
pub(super) mod write;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, new_null_array},
    datatypes::DataType,
};

use super::types::Type;
use crate::engine::{Error, Result};

/// What a value that cannot be cast does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It fails the cast.
    Strict,
    /// It becomes NULL.
    Lenient,
}

/// How a cast treats the values of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// Each has one in the other type.
    Total,
    /// Some may have none.
    Partial,
    No,
}

/// The array, in the memory form of `from`, in that of `to`. The cast is one that is offered.
pub(super) fn cast(array: &ArrayRef, from: &Type, to: &Type, mode: Mode) -> Result<ArrayRef> {
    if from == to {
        return Ok(array.clone());
    }
    if *from == Type::Null || array.null_count() == array.len() {
        return Ok(new_null_array(&to.memory(), array.len()));
    }
    let cast = Cast { array, from, to, mode };
    if *to == Type::Varchar || *to == Type::Json && !matches!(from, Type::Varchar) {
        return Ok(cast.write());
    }
    match (from, to) {
        (Type::Varchar | Type::Json, _) => cast.read(),
        (Type::List(_) | Type::Array(..) | Type::Struct(_) | Type::Map(..), _) => cast.nested(),
        _ if is_number(from) && is_number(to) => cast.numeric(),
        _ => cast.temporal(),
    }
}

/// Whether values of a type have BIGNUMs in them.
fn holds_bignum(ty: &Type) -> bool {
    match ty {
        Type::BigNum => true,
        Type::List(element) | Type::Array(element, _) => holds_bignum(element),
        Type::Map(key, value) => holds_bignum(key) || holds_bignum(value),
        Type::Struct(fields) => fields.iter().any(|(_, ty)| holds_bignum(ty)),
        _ => false,
    }
}

/// Whether the values of one type can be cast to another.
pub(super) fn offer(from: &Type, to: &Type) -> Offer {
    use Offer::{No, Partial, Total};
    if from == to || *from == Type::Null {
        return Total;
    }
    match (from, to) {
        (Type::BigNum, _) | (_, Type::BigNum | Type::Null) => No,
        (Type::Varchar | Type::Json, Type::Varchar) => Total,
        (Type::Varchar, Type::Json) => Partial,
        (_, Type::Varchar) if holds_bignum(from) => No,
        (_, Type::Varchar) => Total,
        (_, Type::Json) => No,
        (Type::Json, _) => No,
        (Type::Varchar, Type::List(_) | Type::Array(..) | Type::Struct(_) | Type::Map(..)) => No,
        (Type::Varchar, _) => Partial,
        (Type::List(from), Type::List(to)) | (Type::Array(from, _), Type::List(to)) => offer(from, to),
        (Type::Array(from, size), Type::Array(to, wanted)) if size == wanted => offer(from, to),
        (Type::List(from), Type::Array(to, _)) => worst(offer(from, to), Partial),
        (Type::Map(key, value), Type::Map(to_key, to_value)) => worst(offer(key, to_key), offer(value, to_value)),
        (Type::Struct(from), Type::Struct(to)) => nested::offer_structs(from, to),
        _ if is_number(from) && is_number(to) => {
            if numeric::is_total(from, to) {
                Total
            } else {
                Partial
            }
        }
        _ => temporal::offer(from, to),
    }
}

pub(super) fn worst(left: Offer, right: Offer) -> Offer {
    match (left, right) {
        (Offer::No, _) | (_, Offer::No) => Offer::No,
        (Offer::Partial, _) | (_, Offer::Partial) => Offer::Partial,
        _ => Offer::Total,
    }
}

const fn is_number(ty: &Type) -> bool {
    ty.is_numeric() || matches!(ty, Type::Boolean)
}

/// One cast of one array.
struct Cast<'a> {
    array: &'a ArrayRef,
    from: &'a Type,
    to: &'a Type,
    mode: Mode,
}

impl Cast<'_> {
    /// Converts value by value; `None` is a value that has no counterpart.
    fn map<S, T>(&self, convert: impl Fn(S::Native) -> Option<T::Native>) -> Result<ArrayRef>
    where
        S: ArrowPrimitiveType,
        T: ArrowPrimitiveType,
    {
        let values = self.array.as_primitive::<S>();
        let converted: PrimitiveArray<T> = match self.mode {
            Mode::Lenient => values.unary_opt(convert),
            Mode::Strict => {
                // The text of the failing value is made once, after the loop.
                let mut failed = None;
                let mut row = 0;
                let nulls = values.nulls();
                let result = PrimitiveArray::<T>::from_iter(values.values().iter().map(|value| {
                    let valid = nulls.is_none_or(|nulls| nulls.is_valid(row));
                    let converted = if valid { convert(*value) } else { None };
                    if valid && converted.is_none() && failed.is_none() {
                        failed = Some(row);
                    }
                    row += 1;
                    converted
                }));
                match failed {
                    Some(row) => return Err(self.failure(row)),
                    None => result,
                }
            }
        };
        Ok(self.typed(converted))
    }

    /// The array with the type's own parameters: width, scale, time zone.
    fn typed<T: ArrowPrimitiveType>(&self, array: PrimitiveArray<T>) -> ArrayRef {
        match self.to.memory() {
            memory @ (DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Timestamp(..)) => {
                Arc::new(array.with_data_type(memory))
            }
            _ => Arc::new(array),
        }
    }

    /// That the value of a row cannot be cast.
    fn failure(&self, row: usize) -> Error {
        let mut value = String::new();
        write::writer(self.array, self.from)(row, &mut value);
        let (from, to, value) = (self.from, self.to, shorten(&value));
        Error::InvalidArgument(match from {
            Type::Varchar | Type::Json => format!("could not convert string '{value}' to {to}"),
            _ => format!("could not cast value {value} from {from} to {to}"),
        })
    }
}

/// A value for an error: its head, if it is long.
pub(crate) fn shorten(value: &str) -> String {
    const CHARACTERS_MAX: usize = 100;
    match value.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &value[..end]),
        None => value.to_owned(),
    }
}
