//! Functions whose types follow from all their arguments: of lists, structs and maps, and of any number of values.

use super::{Binder, check_list, implicit, literal, unify, unsupported};
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect, cast,
        cast::Offer,
        functions::{Function, Part, nested, number, spark, text, variadic},
        rules::{self, Literal},
        tree::{Node, Typed},
        types::Type,
    },
};

fn call(function: &'static Function, arguments: Vec<Typed>, ty: Type) -> Typed {
    let fails = function.fails || arguments.iter().any(|argument| argument.fails);
    let nullable = !function.keeps_nulls || arguments.iter().any(|argument| argument.nullable);
    Typed { node: Node::Call(function, arguments), ty, nullable, fails }
}

/// The greatest or least of the values that are not NULL.
pub(super) fn extreme(binder: &Binder<'_>, name: &str, arguments: Vec<Typed>) -> Result<Typed> {
    check_list(arguments.len())?;
    let arguments = unify(binder.dialect, arguments, name)?;
    let Some(ty) = arguments.first().map(|first| first.ty.clone()) else {
        return Err(Error::InvalidArgument(format!("{name} needs a value")));
    };
    super::operator::check_comparable(&ty)?;
    Ok(call(if name == "greatest" { &variadic::GREATEST } else { &variadic::LEAST }, arguments, ty))
}

/// In DuckDB NULL is skipped, in Spark it makes the whole NULL.
pub(super) fn concat(binder: &Binder<'_>, arguments: Vec<Typed>) -> Result<Typed> {
    check_list(arguments.len())?;
    if arguments.is_empty() {
        return Err(Error::InvalidArgument("concat needs a value".to_owned()));
    }
    if let Some(list) =
        arguments.iter().find(|argument| matches!(argument.ty, Type::List(_) | Type::Array(..) | Type::Blob))
    {
        return Err(unsupported(&format!("concat of {}", list.ty)));
    }
    match binder.dialect {
        Dialect::DuckDb => {
            let arguments = texts(arguments, "concat")?;
            let mut typed = call(&text::CONCAT, arguments, Type::Varchar);
            typed.nullable = false;
            Ok(typed)
        }
        Dialect::Spark => {
            let other = arguments.iter().find(|argument| !matches!(argument.ty, Type::Varchar | Type::Null));
            if let Some(other) = other.filter(|other| !other.ty.is_integer()) {
                return Err(unsupported(&format!("concat of {}", other.ty)));
            }
            Ok(call(&text::JOIN, texts(arguments, "concat")?, Type::Varchar))
        }
    }
}

/// `a || b`: texts, or one text and what can be written, or blobs.
pub(super) fn join(_binder: &Binder<'_>, arguments: Vec<Typed>) -> Result<Typed> {
    if arguments.iter().any(|argument| argument.ty == Type::Null) {
        return Ok(literal::null());
    }
    if let Some(list) = arguments.iter().find(|argument| matches!(argument.ty, Type::List(_) | Type::Array(..))) {
        return Err(unsupported(&format!("|| of {}", list.ty)));
    }
    if arguments.iter().all(|argument| argument.ty == Type::Blob) {
        return Ok(call(&text::JOIN_BLOBS, arguments, Type::Blob));
    }
    if arguments.iter().any(|argument| argument.ty == Type::Blob) {
        return Err(unsupported("|| of BLOB and another type"));
    }
    Ok(call(&text::JOIN, texts(arguments, "||")?, Type::Varchar))
}

fn texts(arguments: Vec<Typed>, where_: &str) -> Result<Vec<Typed>> {
    arguments.into_iter().map(|argument| implicit(argument, &Type::Varchar, where_)).collect()
}

/// Functions of lists, structs and maps; `None` if this is another function.
pub(super) fn nested(binder: &Binder<'_>, name: &str, arguments: &[Typed]) -> Result<Option<Typed>> {
    let duckdb = binder.dialect == Dialect::DuckDb;
    let owned = || arguments.to_vec();
    let typed = match (name, arguments) {
        ("list_value" | "list_pack", _) if duckdb => list_value(binder.dialect, owned())?,
        ("array", _) if !duckdb => list_value(binder.dialect, owned())?,
        ("round", [value, digits]) if duckdb && matches!(value.ty, Type::Decimal(..)) => round(value, digits)?,
        ("date_trunc" | "datetrunc" | "trunc", [part, value])
            if part.text().is_some_and(|part| Part::named(part).is_none()) && duckdb =>
        {
            let part = part.text().unwrap_or_default();
            return Err(Error::InvalidArgument(format!("there is no part \"{part}\" of {}", value.ty)));
        }
        ("date_format", [_, pattern]) if !duckdb => {
            if let Some(Err(letters)) = pattern.text().map(spark::fields) {
                return Err(unsupported(&format!("the pattern \"{letters}\" of date_format")));
            }
            return Ok(None);
        }
        ("struct_extract", [value, field]) => struct_extract(value, field)?,
        ("array_extract" | "list_element" | "list_extract", [value, index]) => array_extract(binder, value, index)?,
        ("map_extract_value", [map, key]) => match &map.ty {
            Type::Map(key_type, value) => {
                let key = implicit(key.clone(), key_type, name)?;
                call(&nested::MAP_EXTRACT_VALUE, vec![map.clone(), key], (**value).clone())
            }
            other => return Err(mistyped(name, other)),
        },
        ("len" | "length" | "array_length", [list]) if duckdb && is_list(&list.ty) => {
            call(&nested::LENGTH_OF_LIST, vec![as_list(list.clone())?], Type::BigInt)
        }
        ("cardinality", [map]) if duckdb => match &map.ty {
            Type::Map(..) => call(&nested::CARDINALITY, owned(), Type::UBigInt),
            other => return Err(mistyped(name, other)),
        },
        ("size" | "cardinality", [value]) if !duckdb => match &value.ty {
            Type::List(_) | Type::Map(..) => call(&nested::SIZE, owned(), Type::Integer),
            other => return Err(mistyped(name, other)),
        },
        ("list_contains" | "array_contains" | "list_has" | "array_has" | "contains", [list, value])
            if is_list(&list.ty) =>
        {
            list_contains(list, value)?
        }
        _ => return Ok(None),
    };
    Ok(Some(typed))
}

const fn is_list(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Array(..))
}

fn as_list(value: Typed) -> Result<Typed> {
    match &value.ty {
        Type::Array(item, _) => {
            let ty = Type::List(item.clone());
            implicit(value, &ty, "a list")
        }
        _ => Ok(value),
    }
}

fn list_value(dialect: Dialect, items: Vec<Typed>) -> Result<Typed> {
    let items = unify(dialect, items, "a list")?;
    let item = items.first().map_or(Type::Null, |first| first.ty.clone());
    let mut typed = call(&nested::LIST_VALUE, items, Type::List(Box::new(item)));
    typed.nullable = false;
    Ok(typed)
}

/// A decimal keeps the digits that are asked for.
fn round(value: &Typed, digits: &Typed) -> Result<Typed> {
    let (Type::Decimal(width, scale), Some(Literal::Integer(count))) = (&value.ty, digits.operand().literal) else {
        return Err(unsupported("round of a DECIMAL to digits that are computed"));
    };
    // At most the scale, which is at most 38.
    let kept = count.clamp(0, i128::from(*scale)) as u8;
    let digits = implicit(digits.clone(), &Type::Integer, "round")?;
    Ok(call(&number::ROUND_TO, vec![value.clone(), digits], Type::Decimal(*width, kept)))
}

/// `{'a': 1}`
pub(super) fn struct_pack(fields: Vec<(String, Typed)>) -> Result<Typed> {
    let mut arguments = Vec::with_capacity(fields.len() * 2);
    let mut types: Vec<(String, Type)> = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        if types.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(Error::InvalidArgument(format!("a struct has two fields \"{name}\"")));
        }
        types.push((name, value.ty.clone()));
        arguments.push(value);
    }
    if arguments.is_empty() {
        return Err(Error::InvalidArgument("a struct needs a field".to_owned()));
    }
    let mut typed = call(&nested::STRUCT_PACK, arguments, Type::Struct(types));
    typed.nullable = false;
    Ok(typed)
}

fn struct_extract(value: &Typed, field: &Typed) -> Result<Typed> {
    let Type::Struct(fields) = &value.ty else {
        return Err(match field.text() {
            Some(name) => Error::InvalidArgument(format!("a value of type {} has no field \"{name}\"", value.ty)),
            None => mistyped("struct_extract", &value.ty),
        });
    };
    let name = field.text().ok_or_else(|| unsupported("struct_extract of a field that is computed"))?;
    let found = fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
    let (_, ty) = found.ok_or_else(|| {
        let names = fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        Error::InvalidArgument(format!("there is no field \"{name}\": the fields are {names}"))
    })?;
    Ok(call(&nested::STRUCT_EXTRACT, vec![value.clone(), field.clone()], ty.clone()))
}

fn array_extract(binder: &Binder<'_>, value: &Typed, index: &Typed) -> Result<Typed> {
    if !is_list(&value.ty) {
        return Err(mistyped("[...]", &value.ty));
    }
    if !index.ty.is_integer() && index.ty != Type::Null || rules::cost(&index.operand(), &Type::BigInt).is_none() {
        return Err(Error::InvalidArgument(format!("a list's index is an integer, not {}", index.ty)));
    }
    let list = as_list(value.clone())?;
    let Type::List(item) = list.ty.clone() else { return Err(mistyped("[...]", &value.ty)) };
    let index = implicit(index.clone(), &Type::BigInt, "[...]")?;
    let function = if binder.dialect == Dialect::DuckDb { &nested::ARRAY_EXTRACT } else { &nested::GET };
    Ok(call(function, vec![list, index], *item))
}

fn list_contains(list: &Typed, value: &Typed) -> Result<Typed> {
    let list = as_list(list.clone())?;
    let Type::List(item) = list.ty.clone() else { return Err(mistyped("list_contains", &list.ty)) };
    let shared = rules::common(&(*item).clone().into(), &value.operand());
    let ty = shared.ok_or_else(|| super::mixed(&item, &value.ty, "list_contains"))?;
    if ty == Type::Null {
        return Err(unsupported("list_contains of NULL"));
    }
    super::operator::check_comparable(&ty)?;
    let list_type = Type::List(Box::new(ty.clone()));
    if cast::offer(&list.ty, &list_type) == Offer::No {
        return Err(super::mixed(&item, &value.ty, "list_contains"));
    }
    let arguments = vec![implicit(list, &list_type, "list_contains")?, implicit(value.clone(), &ty, "list_contains")?];
    Ok(call(&nested::LIST_CONTAINS, arguments, Type::Boolean))
}

fn mistyped(name: &str, ty: &Type) -> Error {
    Error::Unsupported(format!("{name} is not offered for ({ty})"))
}
