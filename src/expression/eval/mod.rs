//! The values of a typed tree over a batch, column by column.
//!
//! What a row does not take (the other branches of CASE, the rest of a decided AND) is not evaluated for it where it
//! could fail.

mod compare;
mod logic;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, UInt32Array, new_empty_array},
    compute,
    datatypes::{
        Decimal128Type, Decimal256Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
        UInt64Type,
    },
    error::ArrowError,
};

use super::{
    cast::{self, Mode},
    functions::Call,
    tree::{Node, Typed},
    types::Type,
};
use crate::engine::{Error, Result};

pub(super) use compare::{comparable, order};

/// Values of an expression: one for each row, or one that stands for all.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub(super) array: ArrayRef,
    pub(super) constant: bool,
}

impl Values {
    pub(super) fn of(array: ArrayRef) -> Self {
        Self { array, constant: false }
    }

    /// Where the value of a row lies.
    pub(super) const fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// One value for each of `rows` rows.
    pub(super) fn expand(self, rows: usize) -> Result<ArrayRef> {
        if !self.constant || rows == 1 {
            return Ok(self.array);
        }
        compute::take(&self.array, &UInt32Array::from_value(0, rows), None).map_err(kernel_failure)
    }
}

/// Rows of a batch, perhaps not all of them.
pub(super) struct Rows<'a> {
    /// In memory form; `None` for columns that are not read.
    columns: &'a [Option<ArrayRef>],
    selection: Option<UInt32Array>,
    count: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn all(columns: &'a [Option<ArrayRef>], count: usize) -> Self {
        Self { columns, selection: None, count }
    }

    /// Some of these rows, by their places.
    fn select(&self, rows: &[u32]) -> Self {
        let selection = match &self.selection {
            Some(selection) => rows.iter().map(|row| selection.value(*row as usize)).collect(),
            None => rows.to_vec(),
        };
        Self { columns: self.columns, selection: Some(selection.into()), count: rows.len() }
    }

    fn column(&self, index: usize) -> Result<ArrayRef> {
        let column = self.columns.get(index).and_then(Option::as_ref).ok_or_else(|| {
            Error::InvalidArgument(format!("the rows have no column {index}, which the expression reads"))
        })?;
        match &self.selection {
            Some(selection) => compute::take(column, selection, None).map_err(kernel_failure),
            None => Ok(column.clone()),
        }
    }
}

/// The values of an expression. A row that fails fails them all.
pub(super) fn evaluate(expression: &Typed, rows: &Rows<'_>) -> Result<Values> {
    if rows.count == 0 {
        return Ok(Values::of(new_empty_array(&expression.ty.memory())));
    }
    match &expression.node {
        Node::Column { index, .. } => rows.column(*index).map(Values::of),
        Node::Literal(value) => Ok(Values { array: value.clone(), constant: true }),
        Node::Cast { input, lenient, .. } => {
            let mode = if *lenient { Mode::Lenient } else { Mode::Strict };
            let values = evaluate(input, rows)?;
            let array = cast::cast(&values.array, &input.ty, &expression.ty, mode)?;
            Ok(Values { array, constant: values.constant })
        }
        Node::Compare(comparison, left, right) => {
            let (left_values, right_values) = (evaluate(left, rows)?, evaluate(right, rows)?);
            compare::compare(*comparison, &left_values, &right_values, &left.ty)
        }
        Node::And(terms) => logic::connect(terms, rows, false),
        Node::Or(terms) => logic::connect(terms, rows, true),
        Node::Not(input) => {
            let values = evaluate(input, rows)?;
            let array = compute::not(values.array.as_boolean()).map_err(kernel_failure)?;
            Ok(Values { array: Arc::new(array), constant: values.constant })
        }
        Node::IsNull(input) => {
            let values = evaluate(input, rows)?;
            let array = compute::is_null(&values.array).map_err(kernel_failure)?;
            Ok(Values { array: Arc::new(array), constant: values.constant })
        }
        Node::Case(branches, otherwise) => logic::case(branches, otherwise, rows),
        Node::Coalesce(inputs) => logic::coalesce(inputs, rows),
        Node::In(value, list) => logic::within(value, list, rows),
        Node::Call(function, inputs) => {
            let arguments = inputs.iter().map(|input| evaluate(input, rows)).collect::<Result<Vec<_>>>()?;
            // A call of nothing has other values each time, or it would be a literal.
            let constant = !arguments.is_empty() && arguments.iter().all(|argument| argument.constant);
            let types: Vec<&Type> = inputs.iter().map(|input| &input.ty).collect();
            let count = if constant { 1 } else { rows.count };
            let call = Call { function, arguments: &arguments, types: &types, ty: &expression.ty, rows: count };
            Ok(Values { array: (function.run)(&call)?, constant })
        }
    }
}

/// The rows of a BOOLEAN that are true.
fn truths(values: &BooleanArray) -> impl Iterator<Item = bool> {
    values.iter().map(|value| value == Some(true))
}

/// The first value of an integer array; `None` past i128.
pub(super) fn integer(array: &ArrayRef, ty: &Type) -> Option<i128> {
    Some(match ty {
        Type::TinyInt => array.as_primitive::<Int8Type>().value(0).into(),
        Type::SmallInt => array.as_primitive::<Int16Type>().value(0).into(),
        Type::Integer => array.as_primitive::<Int32Type>().value(0).into(),
        Type::BigInt => array.as_primitive::<Int64Type>().value(0).into(),
        Type::UTinyInt => array.as_primitive::<UInt8Type>().value(0).into(),
        Type::USmallInt => array.as_primitive::<UInt16Type>().value(0).into(),
        Type::UInteger => array.as_primitive::<UInt32Type>().value(0).into(),
        Type::UBigInt => array.as_primitive::<UInt64Type>().value(0).into(),
        Type::HugeInt => array.as_primitive::<Decimal128Type>().value(0),
        Type::UHugeInt => array.as_primitive::<Decimal256Type>().value(0).to_i128()?,
        _ => return None,
    })
}

/// Arrow refused arrays that the tree's types allow.
pub(super) fn kernel_failure(error: ArrowError) -> Error {
    match error {
        // Text of a list's items can outgrow 2 GiB.
        ArrowError::OffsetOverflowError(_) => {
            Error::ResourceExhausted("the values of an expression exceed 2 GiB in one batch".to_owned())
        }
        error => Error::internal("evaluating an expression", error),
    }
}
