//! Literals, and the types DuckDB gives them.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Decimal128Array, Decimal256Array, Float64Array, Int32Array, Int64Array, StringArray,
        new_null_array,
    },
    datatypes::i256,
};
use sqlparser::ast::{DataType, DateTimeField, Interval, TypedString, Value};

use super::{Binder, unsupported};
use crate::{
    engine::{Error, Result},
    expression::{
        Dialect,
        cast::{self, Mode, interval, read},
        functions,
        tree::{Node, Typed},
        types::{DECIMAL_WIDTH_MAX, Type},
    },
};

impl Binder<'_> {
    pub(super) fn literal(&mut self, value: &Value) -> Result<Typed> {
        Ok(match value {
            Value::Number(digits, false) => number(digits)?,
            // `1L`
            Value::Number(digits, true) if self.dialect == Dialect::Spark => {
                super::convert(integer(digits.parse().ok(), digits)?, &Type::BigInt)
            }
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text_literal(text),
            Value::DollarQuotedString(quoted) if self.dialect == Dialect::DuckDb => text_literal(&quoted.value),
            Value::DoubleQuotedString(text) if self.dialect == Dialect::Spark => text_literal(text),
            Value::Boolean(value) => Typed::literal(Arc::new(BooleanArray::from(vec![*value])), Type::Boolean),
            Value::Null => null(),
            Value::Placeholder(name) => return Err(unsupported(&format!("the parameter \"{name}\""))),
            other => return Err(unsupported(&format!("the literal {other}"))),
        })
    }

    /// `DATE '2020-01-01'`
    pub(super) fn typed_string(&mut self, typed: &TypedString) -> Result<Typed> {
        let input = self.literal(&typed.value.value)?;
        if let DataType::Custom(name, _) = &typed.data_type
            && name.to_string().eq_ignore_ascii_case("x")
        {
            return Err(unsupported("the literal X'...'"));
        }
        let ty = self.sql_type(&typed.data_type)?;
        match (&input.node, self.dialect) {
            // A literal of Spark's, which a cast of text is not.
            (Node::Literal(text), Dialect::Spark)
                if matches!(ty, Type::Date | Type::Timestamp(_) | Type::TimestampTz) =>
            {
                Ok(Typed::literal(cast::cast(text, &input.ty, &ty, Mode::Strict)?, ty))
            }
            _ => self.cast(input, &ty, false),
        }
    }

    /// `INTERVAL '1 day'`, `INTERVAL 3 HOUR`
    pub(super) fn interval(&mut self, syntax: &Interval) -> Result<Typed> {
        if syntax.last_field.is_some() || syntax.leading_precision.is_some() {
            return Err(unsupported("an INTERVAL of two fields"));
        }
        let value = self.bind(&syntax.value)?;
        let Some(field) = &syntax.leading_field else {
            return self.cast(value, &Type::Interval, false);
        };
        if let Some(count) = value.text().map(str::to_owned).or_else(|| whole(&value)) {
            let unit = field.to_string();
            let span = count.trim().parse::<i64>().ok().and_then(|count| interval::parse(&format!("{count} {unit}")));
            let literal = span.and_then(functions::temporal::interval_value);
            return literal
                .map(|value| Typed::literal(value, Type::Interval))
                .ok_or_else(|| Error::InvalidArgument(format!("INTERVAL '{count}' {unit} is no interval")));
        }
        let function = match field {
            DateTimeField::Year | DateTimeField::Years => "to_years",
            DateTimeField::Month | DateTimeField::Months => "to_months",
            DateTimeField::Week(None) | DateTimeField::Weeks => "to_weeks",
            DateTimeField::Day | DateTimeField::Days => "to_days",
            DateTimeField::Hour | DateTimeField::Hours => "to_hours",
            DateTimeField::Minute | DateTimeField::Minutes => "to_minutes",
            other => return Err(unsupported(&format!("an INTERVAL of computed {other}"))),
        };
        self.call(function, vec![value])
    }
}

fn whole(value: &Typed) -> Option<String> {
    match value.operand().literal {
        Some(crate::expression::rules::Literal::Integer(value)) => Some(value.to_string()),
        _ => None,
    }
}

pub(super) fn null() -> Typed {
    Typed::literal(new_null_array(&Type::Null.memory(), 1), Type::Null)
}

pub(super) fn text_literal(text: &str) -> Typed {
    Typed::literal(Arc::new(StringArray::from(vec![text])), Type::Varchar)
}

/// INTEGER, BIGINT, HUGEINT or UHUGEINT, whichever holds it; DECIMAL with a point; DOUBLE with an exponent or past 38 digits.
pub(super) fn number(digits: &str) -> Result<Typed> {
    let digits = &digits.replace('_', "");
    if digits.contains(['e', 'E']) {
        return double(digits);
    }
    if let Some((whole, fraction)) = digits.split_once('.') {
        let (width, scale) = (whole.len() + fraction.len(), fraction.len());
        if width > usize::from(DECIMAL_WIDTH_MAX) {
            return double(digits);
        }
        // At most 38.
        let (width, scale) = (width.max(1) as u8, scale as u8);
        let value = read::decimal(digits, width, scale).ok_or_else(|| no_number(digits))?;
        let ty = Type::Decimal(width, scale);
        return Ok(Typed::literal(Arc::new(Decimal128Array::from(vec![value]).with_data_type(ty.memory())), ty));
    }
    integer(digits.parse::<i128>().ok(), digits)
}

pub(super) fn integer(value: Option<i128>, digits: &str) -> Result<Typed> {
    let Some(value) = value else {
        let Ok(value) = digits.parse::<u128>() else { return double(digits) };
        let array = Decimal256Array::from(vec![i256::from_parts(value, 0)]).with_data_type(Type::UHugeInt.memory());
        return Ok(Typed::literal(Arc::new(array), Type::UHugeInt));
    };
    let (array, ty): (ArrayRef, Type) = if let Ok(value) = i32::try_from(value) {
        (Arc::new(Int32Array::from(vec![value])), Type::Integer)
    } else if let Ok(value) = i64::try_from(value) {
        (Arc::new(Int64Array::from(vec![value])), Type::BigInt)
    } else {
        (Arc::new(Decimal128Array::from(vec![value]).with_data_type(Type::HugeInt.memory())), Type::HugeInt)
    };
    Ok(Typed::literal(array, ty))
}

fn double(digits: &str) -> Result<Typed> {
    let value = read::double(digits).ok_or_else(|| no_number(digits))?;
    Ok(Typed::literal(Arc::new(Float64Array::from(vec![value])), Type::Double))
}

fn no_number(digits: &str) -> Error {
    Error::InvalidArgument(format!("\"{digits}\" is no number"))
}
