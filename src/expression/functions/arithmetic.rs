//! `+ - * / // %` and unary minus over numbers. An overflow fails, a division by zero is NULL.

use arrow::{
    array::ArrayRef,
    datatypes::{
        Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type, i256,
    },
};

use super::{Call, Form, Function, Overload, Resolve, Returns, fixed, temporal};
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect,
        rules::Parameter,
        types::{DECIMAL_WIDTH_MAX, Type},
    },
};

/// The widest decimal that DuckDB keeps in 64 bits: it does not widen past it by itself.
const NARROW_WIDTH_MAX: u8 = 18;

pub(in crate::expression) static ADD: Function = operator("+", add);
pub(in crate::expression) static SUBTRACT: Function = operator("-", subtract);
pub(in crate::expression) static MULTIPLY: Function = operator("*", multiply);
pub(in crate::expression) static DIVIDE: Function = divider("/", divide);
/// Dividing floats by zero, which `/` and `%` make infinite or no number, is NULL for `//` and in Spark.
pub(in crate::expression) static DIVIDE_OR_NULL: Function = divider("/", divide_or_null);
pub(in crate::expression) static DIVIDE_WHOLE: Function =
    Function { spark: Form::Infix("DIV"), ..divider("//", divide) };
pub(in crate::expression) static MODULO: Function = divider("%", modulo);
pub(in crate::expression) static MODULO_OR_NULL: Function = divider("%", modulo_or_null);
pub(in crate::expression) static NEGATE: Function =
    Function { duckdb: Form::Prefix("-"), spark: Form::Prefix("-"), ..operator("-", negate) };

const fn operator(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, run, fails: true, keeps_nulls: true, duckdb: Form::Infix(name), spark: Form::Infix(name) }
}

const fn divider(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { keeps_nulls: false, ..operator(name, run) }
}

pub(super) const INTEGERS: [Type; 10] = [
    Type::TinyInt,
    Type::SmallInt,
    Type::Integer,
    Type::BigInt,
    Type::HugeInt,
    Type::UTinyInt,
    Type::USmallInt,
    Type::UInteger,
    Type::UBigInt,
    Type::UHugeInt,
];
pub(super) const FLOATS: [Type; 2] = [Type::Float, Type::Double];

pub(super) fn overloads(name: &str, dialect: Dialect) -> Option<Vec<Overload>> {
    let name = match (name, dialect) {
        ("add", Dialect::DuckDb) => "+",
        ("subtract", Dialect::DuckDb) => "-",
        ("multiply", Dialect::DuckDb) => "*",
        ("divide", Dialect::DuckDb) => "//",
        ("mod", _) => "%",
        (other, _) => other,
    };
    let same = |types: &[Type], function: &'static Function| -> Vec<Overload> {
        types.iter().map(|ty| fixed([ty.clone(), ty.clone()], ty.clone(), function)).collect()
    };
    let decimals = |function, returns| Overload {
        parameters: vec![Parameter::AnyDecimal, Parameter::AnyDecimal],
        returns: Returns::By(returns),
        function,
    };
    let numbers = |function, returns| {
        let mut all = same(&INTEGERS, function);
        all.extend(same(&FLOATS, function));
        all.push(decimals(function, returns));
        all
    };
    let (sum, product): (Resolve, Resolve) = match dialect {
        Dialect::DuckDb => (sum_of_decimals, product_of_decimals),
        Dialect::Spark => (spark_sum, spark_product),
    };
    if dialect == Dialect::Spark {
        return spark_overloads(name, numbers(&ADD, sum), numbers(&SUBTRACT, sum), numbers(&MULTIPLY, product));
    }
    Some(match name {
        "+" => {
            let mut all = numbers(&ADD, sum);
            all.extend(temporal::additions());
            all
        }
        "-" => {
            let mut all = numbers(&SUBTRACT, sum);
            all.extend(negations());
            all.extend(temporal::subtractions());
            all
        }
        "*" => {
            let mut all = numbers(&MULTIPLY, product);
            all.extend(temporal::multiplications());
            all
        }
        "/" => same(&FLOATS, &DIVIDE),
        "//" => {
            let mut all = same(&INTEGERS, &DIVIDE_WHOLE);
            all.extend(same(&FLOATS, &DIVIDE_OR_NULL));
            all
        }
        "%" => {
            let mut all = same(&INTEGERS, &MODULO);
            all.extend(same(&FLOATS, &MODULO));
            // Also where they become DOUBLE.
            all.push(decimals(&MODULO_OR_NULL, rest_of_decimals));
            all
        }
        _ => return None,
    })
}

fn spark_overloads(
    name: &str,
    add: Vec<Overload>,
    mut subtract: Vec<Overload>,
    multiply: Vec<Overload>,
) -> Option<Vec<Overload>> {
    let integers = [Type::TinyInt, Type::SmallInt, Type::Integer, Type::BigInt];
    Some(match name {
        "+" => add,
        "-" => {
            subtract.extend(negations());
            subtract
        }
        "*" => multiply,
        // Decimals have a quotient of their own type, which is not offered.
        "/" => vec![
            fixed([Type::Double, Type::Double], Type::Double, &DIVIDE_OR_NULL),
            Overload {
                parameters: vec![Parameter::AnyDecimal, Parameter::AnyDecimal],
                returns: Returns::By(|_| {
                    Err(Error::Unsupported("/ of decimals is not offered in Spark's expressions".to_owned()))
                }),
                function: &DIVIDE_OR_NULL,
            },
        ],
        "div" => vec![fixed([Type::BigInt, Type::BigInt], Type::BigInt, &DIVIDE_WHOLE)],
        "%" => {
            let types = integers.into_iter().chain(FLOATS);
            types.map(|ty| fixed([ty.clone(), ty.clone()], ty, &MODULO_OR_NULL)).collect()
        }
        _ => return None,
    })
}

/// Spark's types, as long as they need not lose digits.
fn spark_sum(types: &[Type]) -> Result<(Vec<Type>, Type)> {
    let (required, scale, _) = shared(types)?;
    let ty = Type::Decimal(fitting(u16::from(required) + 1)?, scale);
    Ok((vec![ty.clone(), ty.clone()], ty))
}

fn spark_product(types: &[Type]) -> Result<(Vec<Type>, Type)> {
    let all = properties(types)?;
    let width = all.iter().map(|p| u16::from(p.0)).sum::<u16>() + 1;
    let scale = all.iter().map(|p| p.1).sum();
    let arguments = all.iter().map(|(width, scale)| Type::Decimal(*width, *scale)).collect();
    Ok((arguments, Type::Decimal(fitting(width)?, scale)))
}

fn fitting(width: u16) -> Result<u8> {
    u8::try_from(width)
        .ok()
        .filter(|width| *width <= DECIMAL_WIDTH_MAX)
        .ok_or_else(|| Error::Unsupported(format!("decimals of {width} digits are not offered in Spark's expressions")))
}

fn negations() -> Vec<Overload> {
    let types = INTEGERS.iter().chain(&FLOATS).cloned();
    let mut all: Vec<Overload> = types.map(|ty| fixed([ty.clone()], ty, &NEGATE)).collect();
    let same = |types: &[Type]| Ok((types.to_vec(), types.first().cloned().unwrap_or(Type::Null)));
    all.push(Overload { parameters: vec![Parameter::AnyDecimal], returns: Returns::By(same), function: &NEGATE });
    all
}

fn properties(types: &[Type]) -> Result<Vec<(u8, u8)>> {
    let known = types
        .iter()
        .map(|ty| ty.as_decimal().ok_or_else(|| Error::InvalidArgument(format!("a value of type {ty} is no decimal"))));
    known.collect()
}

/// The width that holds all of the types, and their greatest scale.
fn shared(types: &[Type]) -> Result<(u8, u8, u8)> {
    let all = properties(types)?;
    let greatest = |of: fn(&(u8, u8)) -> u8| all.iter().map(of).max().unwrap_or(0);
    let (width, scale, whole) = (greatest(|p| p.0), greatest(|p| p.1), greatest(|p| p.0 - p.1));
    Ok(((scale + whole).max(width), scale, width))
}

fn sum_of_decimals(types: &[Type]) -> Result<(Vec<Type>, Type)> {
    let (required, scale, widest) = shared(types)?;
    let mut width = required + 1;
    if width > NARROW_WIDTH_MAX && widest <= NARROW_WIDTH_MAX {
        width = NARROW_WIDTH_MAX;
    }
    let ty = Type::Decimal(width.min(DECIMAL_WIDTH_MAX), scale);
    Ok((vec![ty.clone(), ty.clone()], ty))
}

fn rest_of_decimals(types: &[Type]) -> Result<(Vec<Type>, Type)> {
    let (required, scale, _) = shared(types)?;
    let ty = if required > DECIMAL_WIDTH_MAX { Type::Double } else { Type::Decimal(required, scale) };
    Ok((vec![ty.clone(), ty.clone()], ty))
}

fn product_of_decimals(types: &[Type]) -> Result<(Vec<Type>, Type)> {
    let all = properties(types)?;
    let (width, scale) =
        all.iter().fold((0_u16, 0_u16), |(width, scale), p| (width + u16::from(p.0), scale + u16::from(p.1)));
    let widest = all.iter().map(|p| p.0).max().unwrap_or(0);
    if scale > u16::from(DECIMAL_WIDTH_MAX) {
        return Err(Error::InvalidArgument(format!(
            "the product of decimals needs a scale of {scale}, the greatest is {DECIMAL_WIDTH_MAX}: cast one to a \
             smaller scale or to DOUBLE"
        )));
    }
    let narrow = u16::from(NARROW_WIDTH_MAX);
    let width = if width > narrow && widest <= NARROW_WIDTH_MAX && scale < narrow { narrow } else { width };
    // Both are at most 38 now.
    let (width, scale) = (width.min(DECIMAL_WIDTH_MAX.into()) as u8, scale as u8);
    let arguments = all.iter().zip(types).map(|((_, own), ty)| match ty {
        Type::Decimal(..) => ty.clone(),
        _ => Type::Decimal(width, *own),
    });
    Ok((arguments.collect(), Type::Decimal(width, scale)))
}

/// Runs a binary operation over any number: on integers checked, on decimals within the width, on floats plainly.
macro_rules! numeric {
    ($call:expr, $checked:ident, $operator:tt) => {
        match $call.ty {
            Type::TinyInt => $call.zip::<Int8Type, Int8Type, Int8Type>(|a, b| a.$checked(b)),
            Type::SmallInt => $call.zip::<Int16Type, Int16Type, Int16Type>(|a, b| a.$checked(b)),
            Type::Integer => $call.zip::<Int32Type, Int32Type, Int32Type>(|a, b| a.$checked(b)),
            Type::BigInt => $call.zip::<Int64Type, Int64Type, Int64Type>(|a, b| a.$checked(b)),
            Type::HugeInt => $call.zip::<Decimal128Type, Decimal128Type, Decimal128Type>(|a, b| a.$checked(b)),
            Type::UTinyInt => $call.zip::<UInt8Type, UInt8Type, UInt8Type>(|a, b| a.$checked(b)),
            Type::USmallInt => $call.zip::<UInt16Type, UInt16Type, UInt16Type>(|a, b| a.$checked(b)),
            Type::UInteger => $call.zip::<UInt32Type, UInt32Type, UInt32Type>(|a, b| a.$checked(b)),
            Type::UBigInt => $call.zip::<UInt64Type, UInt64Type, UInt64Type>(|a, b| a.$checked(b)),
            Type::UHugeInt => $call.zip::<Decimal256Type, Decimal256Type, Decimal256Type>(|a, b| {
                a.to_parts().0.$checked(b.to_parts().0).map(|value| i256::from_parts(value, 0))
            }),
            Type::Float => $call.zip::<Float32Type, Float32Type, Float32Type>(|a, b| Some(a $operator b)),
            Type::Decimal(width, _) => {
                let limit = 10_i128.pow(u32::from(*width)) - 1;
                $call.zip::<Decimal128Type, Decimal128Type, Decimal128Type>(|a, b| {
                    a.$checked(b).filter(|value| (-limit..=limit).contains(value))
                })
            }
            _ => $call.zip::<Float64Type, Float64Type, Float64Type>(|a, b| Some(a $operator b)),
        }
    };
}

/// The same for operations whose right side must not be zero.
macro_rules! dividing {
    ($call:expr, $checked:ident, $operator:tt, $float_zero_is_null:expr) => {
        match $call.ty {
            Type::TinyInt => whole!($call, Int8Type, $checked),
            Type::SmallInt => whole!($call, Int16Type, $checked),
            Type::Integer => whole!($call, Int32Type, $checked),
            Type::BigInt => whole!($call, Int64Type, $checked),
            Type::HugeInt | Type::Decimal(..) => whole!($call, Decimal128Type, $checked),
            Type::UTinyInt => whole!($call, UInt8Type, $checked),
            Type::USmallInt => whole!($call, UInt16Type, $checked),
            Type::UInteger => whole!($call, UInt32Type, $checked),
            Type::UBigInt => whole!($call, UInt64Type, $checked),
            Type::UHugeInt => $call.zip_nullable::<Decimal256Type, Decimal256Type, Decimal256Type>(|a, b| {
                Ok(a.to_parts().0.$checked(b.to_parts().0).map(|value| i256::from_parts(value, 0)))
            }),
            Type::Float => $call.zip_nullable::<Float32Type, Float32Type, Float32Type>(|a, b| {
                Ok((b != 0.0 || !$float_zero_is_null).then(|| a $operator b))
            }),
            _ => $call.zip_nullable::<Float64Type, Float64Type, Float64Type>(|a, b| {
                Ok((b != 0.0 || !$float_zero_is_null).then(|| a $operator b))
            }),
        }
    };
}

macro_rules! whole {
    ($call:expr, $ty:ty, $checked:ident) => {
        $call.zip_nullable::<$ty, $ty, $ty>(|a, b| if b == 0 { Ok(None) } else { a.$checked(b).map(Some).ok_or(()) })
    };
}

fn add(call: &Call<'_>) -> Result<ArrayRef> {
    numeric!(call, checked_add, +)
}

fn subtract(call: &Call<'_>) -> Result<ArrayRef> {
    numeric!(call, checked_sub, -)
}

fn multiply(call: &Call<'_>) -> Result<ArrayRef> {
    numeric!(call, checked_mul, *)
}

fn divide(call: &Call<'_>) -> Result<ArrayRef> {
    dividing!(call, checked_div, /, false)
}

fn modulo(call: &Call<'_>) -> Result<ArrayRef> {
    dividing!(call, checked_rem, %, false)
}

fn divide_or_null(call: &Call<'_>) -> Result<ArrayRef> {
    dividing!(call, checked_div, /, true)
}

fn modulo_or_null(call: &Call<'_>) -> Result<ArrayRef> {
    dividing!(call, checked_rem, %, true)
}

/// Unsigned integers wrap, as in DuckDB.
fn negate(call: &Call<'_>) -> Result<ArrayRef> {
    match call.ty {
        Type::TinyInt => call.map::<Int8Type, Int8Type>(i8::checked_neg),
        Type::SmallInt => call.map::<Int16Type, Int16Type>(i16::checked_neg),
        Type::Integer => call.map::<Int32Type, Int32Type>(i32::checked_neg),
        Type::BigInt => call.map::<Int64Type, Int64Type>(i64::checked_neg),
        Type::HugeInt | Type::Decimal(..) => call.map::<Decimal128Type, Decimal128Type>(i128::checked_neg),
        Type::UTinyInt => call.map::<UInt8Type, UInt8Type>(|value| Some(value.wrapping_neg())),
        Type::USmallInt => call.map::<UInt16Type, UInt16Type>(|value| Some(value.wrapping_neg())),
        Type::UInteger => call.map::<UInt32Type, UInt32Type>(|value| Some(value.wrapping_neg())),
        Type::UBigInt => call.map::<UInt64Type, UInt64Type>(|value| Some(value.wrapping_neg())),
        Type::UHugeInt => call.map::<Decimal256Type, Decimal256Type>(|value| {
            Some(i256::from_parts(value.to_parts().0.wrapping_neg(), 0))
        }),
        Type::Float => call.map::<Float32Type, Float32Type>(|value| Some(-value)),
        _ => call.map::<Float64Type, Float64Type>(|value| Some(-value)),
    }
}
