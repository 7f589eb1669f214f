//! The arguments of a call, and loops over them.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, StringBuilder},
    buffer::NullBuffer,
    datatypes::DataType,
};

use super::Function;
use crate::{
    engine::{Error, Result},
    expression::{
        cast::{shorten, write},
        eval::Values,
        types::Type,
    },
};

/// One call over rows.
pub(in crate::expression) struct Call<'a> {
    pub(in crate::expression) function: &'a Function,
    pub(in crate::expression) arguments: &'a [Values],
    pub(in crate::expression) types: &'a [&'a Type],
    pub(in crate::expression) ty: &'a Type,
    pub(in crate::expression) rows: usize,
}

impl<'a> Call<'a> {
    /// The text of an argument, row by row.
    pub(super) fn text(&self, index: usize) -> impl Fn(usize) -> Option<&'a str> + use<'a> {
        let values = &self.arguments[index];
        let texts = values.array.as_string::<i32>();
        move |row| {
            let row = values.at(row);
            texts.is_valid(row).then(|| texts.value(row))
        }
    }

    /// The numbers of an argument, row by row.
    pub(super) fn number<T: ArrowPrimitiveType>(
        &self,
        index: usize,
    ) -> impl Fn(usize) -> Option<T::Native> + use<'a, T> {
        let values = &self.arguments[index];
        let numbers = values.array.as_primitive::<T>();
        move |row| {
            let row = values.at(row);
            numbers.is_valid(row).then(|| numbers.value(row))
        }
    }

    pub(super) fn booleans(&self, value: impl Fn(usize) -> Option<bool>) -> ArrayRef {
        Arc::new((0..self.rows).map(value).collect::<BooleanArray>())
    }

    pub(super) fn numbers<T: ArrowPrimitiveType>(&self, value: impl Fn(usize) -> Option<T::Native>) -> ArrayRef {
        self.typed((0..self.rows).map(value).collect::<PrimitiveArray<T>>())
    }

    /// Numbers, `Err` being a failure of the row.
    pub(super) fn try_numbers<T: ArrowPrimitiveType>(
        &self,
        value: impl Fn(usize) -> Result<Option<T::Native>>,
    ) -> Result<ArrayRef> {
        let values = (0..self.rows).map(value).collect::<Result<PrimitiveArray<T>>>()?;
        Ok(self.typed(values))
    }

    /// Texts, appended to what is handed in; false is NULL.
    pub(super) fn texts(&self, mut write: impl FnMut(usize, &mut String) -> Option<()>) -> ArrayRef {
        let mut texts = StringBuilder::with_capacity(self.rows, self.rows * 8);
        let mut text = String::new();
        for row in 0..self.rows {
            text.clear();
            match write(row, &mut text) {
                Some(()) => texts.append_value(&text),
                None => texts.append_null(),
            }
        }
        Arc::new(texts.finish())
    }

    /// Two arguments value by value; `None` is an overflow.
    pub(super) fn zip<L, R, O>(&self, combine: impl Fn(L::Native, R::Native) -> Option<O::Native>) -> Result<ArrayRef>
    where
        L: ArrowPrimitiveType,
        R: ArrowPrimitiveType,
        O: ArrowPrimitiveType,
    {
        let (left_values, right_values) = (&self.arguments[0], &self.arguments[1]);
        let (left, right) = (left_values.array.as_primitive::<L>(), right_values.array.as_primitive::<R>());
        let nulls = NullBuffer::union(self.nulls(left_values).as_ref(), self.nulls(right_values).as_ref());
        let (lefts, rights) = (left.values(), right.values());
        let mut values = Vec::with_capacity(self.rows);
        for row in 0..self.rows {
            let combined = combine(lefts[left_values.at(row)], rights[right_values.at(row)]);
            match combined {
                Some(value) => values.push(value),
                // What lies under a NULL may be anything.
                None if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => values.push(O::Native::default()),
                None => return Err(self.overflow(row)),
            }
        }
        Ok(self.typed(PrimitiveArray::<O>::new(values.into(), nulls)))
    }

    /// Two arguments value by value; `None` is NULL, `Err` an overflow.
    pub(super) fn zip_nullable<L, R, O>(
        &self,
        combine: impl Fn(L::Native, R::Native) -> Result<Option<O::Native>, ()>,
    ) -> Result<ArrayRef>
    where
        L: ArrowPrimitiveType,
        R: ArrowPrimitiveType,
        O: ArrowPrimitiveType,
    {
        let (left, right) = (self.number::<L>(0), self.number::<R>(1));
        self.try_numbers::<O>(|row| match (left(row), right(row)) {
            (Some(left), Some(right)) => combine(left, right).map_err(|()| self.overflow(row)),
            _ => Ok(None),
        })
    }

    /// One argument value by value; `None` is an overflow.
    pub(super) fn map<T, O>(&self, convert: impl Fn(T::Native) -> Option<O::Native>) -> Result<ArrayRef>
    where
        T: ArrowPrimitiveType,
        O: ArrowPrimitiveType,
    {
        let value = self.number::<T>(0);
        self.try_numbers::<O>(|row| match value(row) {
            Some(value) => convert(value).map(Some).ok_or_else(|| self.overflow(row)),
            None => Ok(None),
        })
    }

    fn nulls(&self, values: &Values) -> Option<NullBuffer> {
        match values.array.nulls() {
            Some(nulls) if values.constant && nulls.is_null(0) => Some(NullBuffer::new_null(self.rows)),
            Some(_) if values.constant => None,
            nulls => nulls.cloned(),
        }
    }

    /// The array with the parameters of the call's type: width, scale, time zone.
    fn typed<T: ArrowPrimitiveType>(&self, array: PrimitiveArray<T>) -> ArrayRef {
        match self.ty.memory() {
            memory @ (DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Timestamp(..)) => {
                Arc::new(array.with_data_type(memory))
            }
            _ => Arc::new(array),
        }
    }

    /// That a row's value is out of its type's range.
    pub(super) fn overflow(&self, row: usize) -> Error {
        self.failure(row, &format!("overflow in {}", self.ty))
    }

    /// What is wrong with a row, with its arguments.
    pub(super) fn failure(&self, row: usize, what: &str) -> Error {
        let texts: Vec<String> = (0..self.arguments.len()).map(|index| self.shown(index, row)).collect();
        let name = self.function.name;
        let call = match (texts.as_slice(), name.starts_with(char::is_alphabetic)) {
            ([left, right], false) => format!("{left} {name} {right}"),
            _ => format!("{name}({})", texts.join(", ")),
        };
        Error::InvalidArgument(format!("{what}: {call}"))
    }

    fn shown(&self, index: usize, row: usize) -> String {
        let values = &self.arguments[index];
        let row = values.at(row);
        let mut text = String::new();
        if values.array.is_null(row) {
            let _ = text.write_str("NULL");
        } else {
            write::writer(&values.array, self.types[index])(row, &mut text);
        }
        shorten(&text)
    }
}
