//! Functions over numbers.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray},
    datatypes::{
        Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
    },
};

use super::{
    Call, Form, Function, Overload, Returns,
    arithmetic::{FLOATS, INTEGERS},
    fixed,
};
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect,
        cast::{calendar::DATE_INFINITY, numeric::divide_rounded, temporal::is_finite},
        print::{Printer, no_form},
        rules::Parameter,
        tree::Typed,
        types::{DECIMAL_WIDTH_MAX, Type},
    },
};

const fn function(name: &'static str, run: fn(&Call<'_>) -> Result<ArrayRef>, spark: Form) -> Function {
    Function { name, run, fails: false, keeps_nulls: true, duckdb: Form::Call(name), spark }
}

static ABS: Function = Function { fails: true, ..function("abs", abs, Form::Call("abs")) };
static SIGN: Function = function("sign", sign, Form::None);
static FLOOR: Function = function(
    "floor",
    |call| rounded(call, f64::floor, f32::floor, i128::div_euclid),
    Form::CallBy(|printer, arguments| of_decimal(printer, "floor", arguments)),
);
static CEIL: Function = function(
    "ceil",
    |call| rounded(call, f64::ceil, f32::ceil, |value, power| -(-value).div_euclid(power)),
    Form::CallBy(|printer, arguments| of_decimal(printer, "ceil", arguments)),
);
pub(in crate::expression) static TRUNC: Function =
    function("trunc", |call| rounded(call, f64::trunc, f32::trunc, |value, power| value / power), Form::None);
static ROUND: Function = function("round", |call| rounded(call, f64::round, f32::round, divide_rounded), Form::None);
pub(in crate::expression) static ROUND_TO: Function = function("round", round_to, Form::None);
/// Spark's, of a DOUBLE to a BIGINT.
static FLOOR_WHOLE: Function =
    Function { duckdb: Form::None, ..function("floor", |call| whole(call, f64::floor), Form::Call("floor")) };
static CEIL_WHOLE: Function =
    Function { duckdb: Form::None, ..function("ceil", |call| whole(call, f64::ceil), Form::Call("ceil")) };
static SQRT: Function = Function { fails: true, ..function("sqrt", sqrt, Form::None) };
static POW: Function = function(
    "pow",
    |call| call.zip::<Float64Type, Float64Type, Float64Type>(|a, b| Some(a.powf(b))),
    Form::Call("power"),
);
static IS_NAN: Function = function("isnan", |call| Ok(test(call, f64::is_nan, |_| false)), Form::Call("isnan"));
static IS_INF: Function = function("isinf", |call| Ok(test(call, f64::is_infinite, |finite| !finite)), Form::None);
static IS_FINITE: Function = function("isfinite", |call| Ok(test(call, f64::is_finite, |finite| finite)), Form::None);
static BIT_AND: Function =
    Function { duckdb: Form::Infix("&"), ..function("&", |call| bits(call, |a, b| a & b), Form::Infix("&")) };
static BIT_OR: Function =
    Function { duckdb: Form::Infix("|"), ..function("|", |call| bits(call, |a, b| a | b), Form::Infix("|")) };
static XOR: Function = function("xor", |call| bits(call, |a, b| a ^ b), Form::None);
static PMOD: Function =
    Function { keeps_nulls: false, duckdb: Form::None, ..function("pmod", pmod, Form::Call("pmod")) };

const SIGNED: [Type; 5] = [Type::TinyInt, Type::SmallInt, Type::Integer, Type::BigInt, Type::HugeInt];

pub(super) fn overloads(name: &str, dialect: Dialect) -> Option<Vec<Overload>> {
    match dialect {
        Dialect::DuckDb => duckdb(name),
        Dialect::Spark => spark(name),
    }
}

fn duckdb(name: &str) -> Option<Vec<Overload>> {
    let double = Type::Double;
    Some(match name {
        "abs" | "@" => numeric(&ABS, |_, _| true),
        "sign" => {
            let types = INTEGERS.into_iter().chain(FLOATS);
            types.map(|ty| fixed([ty], Type::TinyInt, &SIGN)).collect()
        }
        "floor" => whole_decimal(&FLOOR, &[]),
        "ceil" | "ceiling" => whole_decimal(&CEIL, &[]),
        "trunc" => whole_decimal(&TRUNC, &INTEGERS),
        "round" => {
            let mut all = whole_decimal(&ROUND, &SIGNED);
            let types = SIGNED.into_iter().chain(FLOATS);
            all.extend(types.map(|ty| fixed([ty.clone(), Type::Integer], ty, &ROUND_TO)));
            all
        }
        "sqrt" => vec![fixed([double.clone()], double, &SQRT)],
        "power" | "pow" | "**" | "^" => vec![fixed([double.clone(), double.clone()], double, &POW)],
        "isnan" => FLOATS.map(|ty| fixed([ty], Type::Boolean, &IS_NAN)).into(),
        "isinf" => temporal(&IS_INF),
        "isfinite" => temporal(&IS_FINITE),
        "&" => integers(&BIT_AND),
        "|" => integers(&BIT_OR),
        "xor" => integers(&XOR),
        _ => return None,
    })
}

fn spark(name: &str) -> Option<Vec<Overload>> {
    let double = Type::Double;
    Some(match name {
        "abs" => numeric(&ABS, |ty, _| !ty.is_unsigned()),
        "floor" => spark_whole(&FLOOR_WHOLE, &FLOOR),
        "ceil" | "ceiling" => spark_whole(&CEIL_WHOLE, &CEIL),
        "sign" | "signum" => return None,
        "power" | "pow" => vec![fixed([double.clone(), double.clone()], double, &POW)],
        "isnan" => FLOATS.map(|ty| fixed([ty], Type::Boolean, &IS_NAN)).into(),
        "pmod" => [Type::Integer, Type::BigInt].map(|ty| fixed([ty.clone(), ty.clone()], ty, &PMOD)).into(),
        "&" => integers(&BIT_AND),
        "|" => integers(&BIT_OR),
        _ => return None,
    })
}

/// The dialects agree on decimals and integers; of floats Spark makes integers.
fn of_decimal(printer: Printer, name: &str, arguments: &[Typed]) -> Result<String> {
    match arguments {
        [value] if !value.ty.is_float() => Ok(format!("{name}({})", printer.part(value)?)),
        _ => Err(no_form(&format!("{name} of a float"), printer.dialect)),
    }
}

/// The same type out as in, for numbers.
fn numeric(function: &'static Function, keep: fn(&Type, ()) -> bool) -> Vec<Overload> {
    let types = INTEGERS.into_iter().chain(FLOATS).filter(|ty| keep(ty, ()));
    let mut all: Vec<Overload> = types.map(|ty| fixed([ty.clone()], ty, function)).collect();
    let same = |types: &[Type]| Ok((types.to_vec(), types.first().cloned().unwrap_or(Type::Null)));
    all.push(Overload { parameters: vec![Parameter::AnyDecimal], returns: Returns::By(same), function });
    all
}

/// The same type out as in, but decimals lose their scale.
fn whole_decimal(function: &'static Function, integers: &[Type]) -> Vec<Overload> {
    let types = integers.iter().chain(&FLOATS).cloned();
    let mut all: Vec<Overload> = types.map(|ty| fixed([ty.clone()], ty, function)).collect();
    let whole = |types: &[Type]| match types {
        [Type::Decimal(width, _)] => Ok((types.to_vec(), Type::Decimal(*width, 0))),
        _ => Err(Error::InvalidArgument("a decimal is needed".to_owned())),
    };
    all.push(Overload { parameters: vec![Parameter::AnyDecimal], returns: Returns::By(whole), function });
    all
}

/// To BIGINT, but decimals stay decimals.
fn spark_whole(float: &'static Function, decimal: &'static Function) -> Vec<Overload> {
    let whole = |types: &[Type]| match types {
        [Type::Decimal(width, scale)] => {
            let digits = (width - scale + 1).min(DECIMAL_WIDTH_MAX);
            Ok((types.to_vec(), Type::Decimal(digits, 0)))
        }
        _ => Err(Error::InvalidArgument("a decimal is needed".to_owned())),
    };
    vec![
        fixed([Type::BigInt], Type::BigInt, decimal),
        fixed([Type::Double], Type::BigInt, float),
        Overload { parameters: vec![Parameter::AnyDecimal], returns: Returns::By(whole), function: decimal },
    ]
}

fn integers(function: &'static Function) -> Vec<Overload> {
    INTEGERS
        .into_iter()
        .filter(|ty| *ty != Type::UHugeInt)
        .map(|ty| fixed([ty.clone(), ty.clone()], ty, function))
        .collect()
}

fn temporal(function: &'static Function) -> Vec<Overload> {
    let types = [Type::Float, Type::Double, Type::Date, Type::Timestamp(TimeUnit::Microsecond), Type::TimestampTz];
    types.map(|ty| fixed([ty], Type::Boolean, function)).into()
}

fn abs(call: &Call<'_>) -> Result<ArrayRef> {
    match call.ty {
        Type::TinyInt => call.map::<Int8Type, Int8Type>(i8::checked_abs),
        Type::SmallInt => call.map::<Int16Type, Int16Type>(i16::checked_abs),
        Type::Integer => call.map::<Int32Type, Int32Type>(i32::checked_abs),
        Type::BigInt => call.map::<Int64Type, Int64Type>(i64::checked_abs),
        Type::HugeInt | Type::Decimal(..) => call.map::<Decimal128Type, Decimal128Type>(i128::checked_abs),
        Type::Float => call.map::<Float32Type, Float32Type>(|value| Some(value.abs())),
        Type::Double => call.map::<Float64Type, Float64Type>(|value| Some(value.abs())),
        _ => call.arguments[0].clone().expand(call.rows),
    }
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    macro_rules! of {
        ($ty:ty, $zero:expr) => {
            call.map::<$ty, Int8Type>(|value| Some(value.partial_cmp(&$zero).map_or(0, |order| order as i8)))
        };
    }
    match call.types[0] {
        Type::TinyInt => of!(Int8Type, 0),
        Type::SmallInt => of!(Int16Type, 0),
        Type::Integer => of!(Int32Type, 0),
        Type::BigInt => of!(Int64Type, 0),
        Type::UTinyInt => of!(UInt8Type, 0),
        Type::USmallInt => of!(UInt16Type, 0),
        Type::UInteger => of!(UInt32Type, 0),
        Type::UBigInt => of!(UInt64Type, 0),
        Type::HugeInt => of!(Decimal128Type, 0),
        Type::UHugeInt => of!(Decimal256Type, i256::ZERO),
        Type::Float => of!(Float32Type, 0.0),
        _ => of!(Float64Type, 0.0),
    }
}

fn rounded(
    call: &Call<'_>,
    double: impl Fn(f64) -> f64,
    single: impl Fn(f32) -> f32,
    decimal: impl Fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    match call.types[0] {
        Type::Float => call.map::<Float32Type, Float32Type>(|value| Some(single(value))),
        Type::Double => call.map::<Float64Type, Float64Type>(|value| Some(double(value))),
        Type::Decimal(_, 0) => {
            let array = call.arguments[0].clone().expand(call.rows)?;
            Ok(Arc::new(array.as_primitive::<Decimal128Type>().clone().with_data_type(call.ty.memory())))
        }
        Type::Decimal(_, scale) => {
            let power = 10_i128.pow(u32::from(*scale));
            call.map::<Decimal128Type, Decimal128Type>(|value| Some(decimal(value, power)))
        }
        _ => call.arguments[0].clone().expand(call.rows),
    }
}

/// Digits behind the point, or before it if negative.
fn round_to(call: &Call<'_>) -> Result<ArrayRef> {
    macro_rules! whole {
        ($ty:ty) => {
            call.zip::<$ty, Int32Type, $ty>(|value, digits| {
                if digits >= 0 {
                    return Some(value);
                }
                let power = 10_i128.checked_pow(digits.unsigned_abs());
                power.map_or(Some(0), |power| divide_rounded(value.into(), power).checked_mul(power)?.try_into().ok())
            })
        };
    }
    match call.ty {
        Type::TinyInt => whole!(Int8Type),
        Type::SmallInt => whole!(Int16Type),
        Type::Integer => whole!(Int32Type),
        Type::BigInt => whole!(Int64Type),
        Type::HugeInt => whole!(Decimal128Type),
        Type::Decimal(..) => round_decimal(call),
        Type::Float => call.zip::<Float32Type, Int32Type, Float32Type>(|value, digits| {
            Some(round_double(f64::from(value), digits, |value, power| f64::from(value as f32 * power as f32)) as f32)
        }),
        _ => call.zip::<Float64Type, Int32Type, Float64Type>(|value, digits| {
            Some(round_double(value, digits, |value, power| value * power))
        }),
    }
}

/// The type has the scale that is asked for, or none if that is negative.
fn round_decimal(call: &Call<'_>) -> Result<ArrayRef> {
    let (Type::Decimal(width, scale), Type::Decimal(_, kept)) = (call.types[0], call.ty) else {
        return Err(call.overflow(0));
    };
    call.zip::<Decimal128Type, Int32Type, Decimal128Type>(|value, digits| {
        if digits >= 0 {
            return Some(divide_rounded(value, 10_i128.pow(u32::from(scale - kept))));
        }
        let digits = digits.unsigned_abs();
        if digits >= u32::from(width - scale) {
            return Some(0);
        }
        Some(divide_rounded(value, 10_i128.pow(u32::from(*scale) + digits)) * 10_i128.pow(digits))
    })
}

fn round_double(value: f64, digits: i32, scale: impl Fn(f64, f64) -> f64) -> f64 {
    let power = 10_f64.powf(f64::from(digits.unsigned_abs()));
    if digits < 0 {
        let rounded = (value / power).round() * power;
        return if rounded.is_finite() { rounded } else { 0.0 };
    }
    let rounded = scale(value, power).round() / power;
    if rounded.is_finite() { rounded } else { value }
}

fn whole(call: &Call<'_>, round: fn(f64) -> f64) -> Result<ArrayRef> {
    // A float past BIGINT's range becomes its end, as Java casts it.
    call.map::<Float64Type, Int64Type>(|value| Some(round(value) as i64))
}

fn sqrt(call: &Call<'_>) -> Result<ArrayRef> {
    let value = call.number::<Float64Type>(0);
    call.try_numbers::<Float64Type>(|row| match value(row) {
        Some(value) if value < 0.0 => Err(call.failure(row, "the square root of a negative number")),
        value => Ok(value.map(f64::sqrt)),
    })
}

fn test(call: &Call<'_>, float: impl Fn(f64) -> bool, temporal: impl Fn(bool) -> bool) -> ArrayRef {
    match call.types[0] {
        Type::Float => {
            let value = call.number::<Float32Type>(0);
            call.booleans(|row| value(row).map(|value| float(f64::from(value))))
        }
        Type::Date => {
            let value = call.number::<Date32Type>(0);
            call.booleans(|row| value(row).map(|value| temporal(value.unsigned_abs() != DATE_INFINITY.unsigned_abs())))
        }
        Type::Timestamp(_) | Type::TimestampTz => {
            let value = call.number::<TimestampMicrosecondType>(0);
            call.booleans(|row| value(row).map(|value| temporal(is_finite(value))))
        }
        _ => {
            let value = call.number::<Float64Type>(0);
            call.booleans(|row| value(row).map(&float))
        }
    }
}

/// On the two's complement of both, which widening to 128 bits keeps.
fn bits(call: &Call<'_>, combine: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    macro_rules! of {
        ($ty:ty) => {
            call.zip::<$ty, $ty, $ty>(|a, b| combine(a.into(), b.into()).try_into().ok())
        };
    }
    match call.ty {
        Type::TinyInt => of!(Int8Type),
        Type::SmallInt => of!(Int16Type),
        Type::Integer => of!(Int32Type),
        Type::BigInt => of!(Int64Type),
        Type::UTinyInt => of!(UInt8Type),
        Type::USmallInt => of!(UInt16Type),
        Type::UInteger => of!(UInt32Type),
        Type::UBigInt => of!(UInt64Type),
        _ => of!(Decimal128Type),
    }
}

/// Spark's modulo of the divisor's sign where it is positive.
fn pmod(call: &Call<'_>) -> Result<ArrayRef> {
    macro_rules! of {
        ($ty:ty) => {
            call.zip_nullable::<$ty, $ty, $ty>(|a, b| {
                if b == 0 {
                    return Ok(None);
                }
                let rest = a.wrapping_rem(b);
                Ok(Some(if rest < 0 { rest.wrapping_add(b).wrapping_rem(b) } else { rest }))
            })
        };
    }
    match call.ty {
        Type::Integer => of!(Int32Type),
        _ => of!(Int64Type),
    }
}
