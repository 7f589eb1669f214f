//! Spark's CAST, of Spark without ANSI mode: text that is no value becomes NULL, floats and decimals lose what is
//! behind their point. A number out of an integer's range fails here, where Spark would wrap it around.

use crate::{
    engine::{Error, Result},
    expression::{
        functions::{number, spark},
        tree::{Node, Typed},
        types::Type,
    },
};

pub(super) fn cast(input: Typed, ty: &Type, lenient: bool) -> Result<Typed> {
    let from = input.ty.clone();
    let plain = |input: Typed, lenient: bool| super::cast_node(input, ty, lenient, false);
    Ok(match (&from, ty) {
        (Type::Null, _) => plain(input, false),
        (Type::Varchar, _) => return text(input, ty),
        (from, Type::Varchar)
            if from.is_integer() || matches!(from, Type::Boolean | Type::Date | Type::Timestamp(_)) =>
        {
            plain(input, false)
        }
        (Type::Decimal(width, scale), Type::Varchar) if width > scale => plain(input, false),
        // Without the zone behind it.
        (Type::TimestampTz, Type::Varchar) => {
            let local = Type::Timestamp(arrow::datatypes::TimeUnit::Microsecond);
            plain(super::cast_node(input, &local, false, false), false)
        }
        (from, to) if to.is_integer() && from.is_float() => plain(truncated(input, from.clone()), lenient),
        (Type::Decimal(width, _), to) if to.is_integer() => plain(truncated(input, Type::Decimal(*width, 0)), lenient),
        (from, to) if from.is_integer() && to.is_numeric() => {
            let lenient = lenient || matches!(to, Type::Decimal(..));
            plain(input, lenient)
        }
        (Type::Decimal(..), Type::Decimal(..)) => plain(input, true),
        (Type::Decimal(..), Type::Double) | (Type::Float, Type::Double) | (Type::Double, Type::Float) => {
            plain(input, false)
        }
        (Type::Boolean, to) if to.is_integer() => plain(input, false),
        (from, Type::Boolean) if from.is_numeric() => plain(input, false),
        (Type::Date, Type::TimestampTz | Type::Timestamp(_)) | (Type::TimestampTz | Type::Timestamp(_), Type::Date) => {
            plain(input, false)
        }
        (Type::TimestampTz, Type::Timestamp(_)) | (Type::Timestamp(_), Type::TimestampTz) => plain(input, false),
        _ => return Err(refusal(&from, ty)),
    })
}

fn truncated(input: Typed, ty: Type) -> Typed {
    let (nullable, fails) = (input.nullable, input.fails);
    Typed { node: Node::Call(&number::TRUNC, vec![input]), ty, nullable, fails }
}

fn text(input: Typed, ty: &Type) -> Result<Typed> {
    let function = match ty {
        Type::TinyInt
        | Type::SmallInt
        | Type::Integer
        | Type::BigInt
        | Type::Double
        | Type::Float
        | Type::Decimal(..)
        | Type::Boolean
        | Type::Date => &spark::TEXT_TO,
        Type::TimestampTz | Type::Timestamp(_) if input.text().is_some() => &spark::TEXT_TO,
        _ => return Err(refusal(&input.ty, ty)),
    };
    let fails = input.fails;
    Ok(Typed { node: Node::Call(function, vec![input]), ty: ty.clone(), nullable: true, fails })
}

fn refusal(from: &Type, to: &Type) -> Error {
    Error::Unsupported(format!("a cast from {from} to {to} is not offered in Spark's expressions"))
}
