//! Casts among BOOLEAN, integers, decimals and floats.
//!
//! To integers floats round half to even and decimals half away from zero; out of range is a failure, as is NaN.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray},
    compute,
    datatypes::{
        ArrowPrimitiveType, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
    },
};

use super::Cast;
use crate::{
    engine::Result,
    expression::{eval::kernel_failure, types::Type},
};

/// Runs `$body` with `$source` as the Arrow type of an integer type that is not UHUGEINT, DECIMAL included.
macro_rules! with_integer {
    ($ty:expr, $source:ident => $body:expr) => {
        match $ty {
            Type::TinyInt => {
                type $source = Int8Type;
                $body
            }
            Type::SmallInt => {
                type $source = Int16Type;
                $body
            }
            Type::Integer => {
                type $source = Int32Type;
                $body
            }
            Type::BigInt => {
                type $source = Int64Type;
                $body
            }
            Type::UTinyInt => {
                type $source = UInt8Type;
                $body
            }
            Type::USmallInt => {
                type $source = UInt16Type;
                $body
            }
            Type::UInteger => {
                type $source = UInt32Type;
                $body
            }
            Type::UBigInt => {
                type $source = UInt64Type;
                $body
            }
            _ => {
                type $source = Decimal128Type;
                $body
            }
        }
    };
}

/// Whether no value can fail.
pub(super) fn is_total(from: &Type, to: &Type) -> bool {
    if *to == Type::Boolean || *to == Type::Double {
        return true;
    }
    match (from.as_decimal(), to) {
        (Some((1, 0)), Type::Decimal(width, scale)) => width > scale,
        (_, Type::Float) => *from != Type::Double,
        (Some((width, scale)), Type::Decimal(to_width, to_scale))
            if !matches!(from, Type::HugeInt | Type::UHugeInt) =>
        {
            to_scale >= &scale && to_width - to_scale >= width - scale
        }
        _ if *from == Type::Boolean => true,
        _ => crate::expression::rules::wider(from, to),
    }
}

#[expect(clippy::useless_conversion, reason = "one of the macro's types is i128 itself")]
impl Cast<'_> {
    pub(super) fn numeric(&self) -> Result<ArrayRef> {
        match (self.from, self.to) {
            (Type::Boolean, _) => self.cast_boolean(),
            (_, Type::Boolean) => self.to_boolean(),
            (Type::Float, _) => self.cast_float::<Float32Type>(),
            (Type::Double, _) => self.cast_float::<Float64Type>(),
            (Type::UHugeInt, _) => self.cast_unsigned_huge(),
            (Type::Decimal(..), _) => self.cast_decimal(),
            _ => with_integer!(self.from, Source => self.cast_integer::<Source>()),
        }
    }

    fn cast_boolean(&self) -> Result<ArrayRef> {
        let integers = compute::cast(self.array, &arrow::datatypes::DataType::Int8).map_err(kernel_failure)?;
        super::cast(&integers, &Type::TinyInt, self.to, self.mode)
    }

    fn to_boolean(&self) -> Result<ArrayRef> {
        fn truth<T: ArrowPrimitiveType>(array: &ArrayRef, zero: T::Native) -> BooleanArray {
            BooleanArray::from_unary(array.as_primitive::<T>(), |value| value != zero)
        }
        Ok(Arc::new(match self.from {
            Type::Float => truth::<Float32Type>(self.array, 0.0),
            Type::Double => truth::<Float64Type>(self.array, 0.0),
            Type::UHugeInt => truth::<Decimal256Type>(self.array, i256::ZERO),
            _ => with_integer!(self.from, Source => truth::<Source>(self.array, Default::default())),
        }))
    }

    fn cast_integer<S: ArrowPrimitiveType>(&self) -> Result<ArrayRef>
    where
        S::Native: Into<i128>,
    {
        match self.to {
            Type::Float => self.map::<S, Float32Type>(|value| Some(huge_to_double(value.into(), true) as f32)),
            Type::Double => self.map::<S, Float64Type>(|value| Some(huge_to_double(value.into(), false))),
            Type::UHugeInt => self.map::<S, Decimal256Type>(|value| {
                u128::try_from(value.into()).ok().map(|value| i256::from_parts(value, 0))
            }),
            Type::Decimal(width, scale) => {
                let limit = 10_i128.pow(u32::from(width - scale));
                let factor = 10_i128.pow(u32::from(*scale));
                self.map::<S, Decimal128Type>(|value| {
                    let value = value.into();
                    (value > -limit && value < limit).then(|| value * factor)
                })
            }
            _ => with_integer!(self.to, Target => self.map::<S, Target>(|value| value.into().try_into().ok())),
        }
    }

    fn cast_unsigned_huge(&self) -> Result<ArrayRef> {
        let double = |value: i256| value.to_parts().0 as f64;
        match self.to {
            Type::Float => self.map::<Decimal256Type, Float32Type>(|value| Some(value.to_parts().0 as f32)),
            Type::Double => self.map::<Decimal256Type, Float64Type>(|value| Some(double(value))),
            Type::Decimal(width, scale) => {
                let limit = 10_u128.pow(u32::from(width - scale));
                let factor = 10_i128.pow(u32::from(*scale));
                self.map::<Decimal256Type, Decimal128Type>(|value| {
                    let value = value.to_parts().0;
                    (value < limit).then(|| value as i128 * factor)
                })
            }
            _ => with_integer!(self.to, Target => {
                self.map::<Decimal256Type, Target>(|value| i128::try_from(value.to_parts().0).ok()?.try_into().ok())
            }),
        }
    }

    fn cast_float<S: ArrowPrimitiveType>(&self) -> Result<ArrayRef>
    where
        S::Native: Into<f64>,
    {
        match self.to {
            Type::Double => self.map::<S, Float64Type>(|value| Some(value.into())),
            Type::Float => self.map::<S, Float32Type>(|value| {
                let double: f64 = value.into();
                let float = double as f32;
                (float.is_finite() || !double.is_finite()).then_some(float)
            }),
            Type::Decimal(width, scale) => {
                let (factor, limit) = (10_f64.powi(i32::from(*scale)), 10_f64.powi(i32::from(*width)));
                let single = *self.from == Type::Float;
                self.map::<S, Decimal128Type>(|value| {
                    let double: f64 = value.into();
                    // FLOAT is scaled in its own precision.
                    let scaled = if single { f64::from(double as f32 * factor as f32) } else { double * factor };
                    let rounded = scaled.round();
                    (rounded > -limit && rounded < limit).then_some(rounded as i128)
                })
            }
            Type::UHugeInt => self.map::<S, Decimal256Type>(|value| {
                let value: f64 = value.into();
                (0.0..2_f64.powi(128)).contains(&value).then(|| i256::from_parts(value.round_ties_even() as u128, 0))
            }),
            _ => with_integer!(self.to, Target => {
                let (least, end) = float_range(self.to);
                self.map::<S, Target>(|value| {
                    let value: f64 = value.into();
                    let rounded = value.round_ties_even();
                    (value >= least && value < end).then(|| (rounded as i128).try_into().ok()).flatten()
                })
            }),
        }
    }

    fn cast_decimal(&self) -> Result<ArrayRef> {
        let Type::Decimal(_, scale) = *self.from else { return Ok(self.array.clone()) };
        let power = 10_i128.pow(u32::from(scale));
        match self.to {
            Type::Float => self.map::<Decimal128Type, Float32Type>(|value| Some(decimal_to_float(value, scale))),
            Type::Double => self.map::<Decimal128Type, Float64Type>(|value| Some(decimal_to_double(value, scale))),
            Type::Decimal(to_width, to_scale) => {
                let limit = 10_i128.pow(u32::from(*to_width));
                let within = move |value: i128| (value > -limit && value < limit).then_some(value);
                if *to_scale >= scale {
                    let factor = 10_i128.pow(u32::from(to_scale - scale));
                    self.map::<Decimal128Type, Decimal128Type>(|value| value.checked_mul(factor).and_then(within))
                } else {
                    let divisor = 10_i128.pow(u32::from(scale - to_scale));
                    self.map::<Decimal128Type, Decimal128Type>(|value| within(divide_rounded(value, divisor)))
                }
            }
            Type::UHugeInt => self.map::<Decimal128Type, Decimal256Type>(|value| {
                u128::try_from(divide_rounded(value, power)).ok().map(|value| i256::from_parts(value, 0))
            }),
            _ => with_integer!(self.to, Target => {
                self.map::<Decimal128Type, Target>(|value| divide_rounded(value, power).try_into().ok())
            }),
        }
    }
}

/// Half away from zero.
pub(in crate::expression) const fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2) && divisor > 1 {
        quotient + value.signum()
    } else {
        quotient
    }
}

/// In two halves, as DuckDB does, which can differ in the last digit from rounding once.
fn huge_to_double(value: i128, single: bool) -> f64 {
    if let Ok(value) = i64::try_from(value) {
        // One rounding only, also to FLOAT.
        return if single { f64::from(value as f32) } else { value as f64 };
    }
    let (upper, lower) = ((value >> 64) as i64, value as u64);
    if single {
        let two_64 = u64::MAX as f32 + 1.0;
        return f64::from(if upper == -1 {
            -((u64::MAX - lower) as f32) - 1.0
        } else {
            lower as f32 + upper as f32 * two_64
        });
    }
    let two_64 = u64::MAX as f64 + 1.0;
    if upper == -1 { -((u64::MAX - lower) as f64) - 1.0 } else { lower as f64 + upper as f64 * two_64 }
}

/// Exact where the digits fit the mantissa; whole and fractional parts apart where they do not.
pub(in crate::expression) fn decimal_to_double(value: i128, scale: u8) -> f64 {
    const EXACT: u128 = 1 << 53;
    let power = 10_i128.pow(u32::from(scale));
    let divisor = power as f64;
    if value.unsigned_abs() <= EXACT || scale == 0 {
        return huge_to_double(value, false) / divisor;
    }
    huge_to_double(value / power, false) + huge_to_double(value % power, false) / divisor
}

fn decimal_to_float(value: i128, scale: u8) -> f32 {
    const EXACT: u128 = 1 << 24;
    let power = 10_i128.pow(u32::from(scale));
    let divisor = power as f32;
    if value.unsigned_abs() <= EXACT || scale == 0 {
        return huge_to_double(value, true) as f32 / divisor;
    }
    huge_to_double(value / power, true) as f32 + huge_to_double(value % power, true) as f32 / divisor
}

/// The least float that is in an integer type's range, and the first past it.
fn float_range(ty: &Type) -> (f64, f64) {
    let bits = match ty {
        Type::TinyInt | Type::UTinyInt => 8,
        Type::SmallInt | Type::USmallInt => 16,
        Type::Integer | Type::UInteger => 32,
        Type::BigInt | Type::UBigInt => 64,
        _ => 128,
    };
    if ty.is_unsigned() { (0.0, 2_f64.powi(bits)) } else { (-2_f64.powi(bits - 1), 2_f64.powi(bits - 1)) }
}
