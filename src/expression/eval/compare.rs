//! Comparisons, with DuckDB's order: NaN is greatest and equals itself, -0.0 is 0.0, text is compared by its bytes,
//! an INTERVAL's month has 30 days, and inside nested values NULL equals NULL and is greatest.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Datum, Decimal128Array, FixedSizeListArray,
        ListArray, PrimitiveArray, Scalar, StructArray, make_comparator,
    },
    compute::{
        SortOptions,
        kernels::cmp::{distinct, eq, gt, gt_eq, lt, lt_eq, neq, not_distinct},
    },
    datatypes::{DataType, Field, Float32Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType},
};

use super::{Values, kernel_failure};
use crate::{
    engine::Result,
    expression::{tree::Comparison, types::Type},
};

/// Both sides are of type `ty`.
pub(super) fn compare(comparison: Comparison, left: &Values, right: &Values, ty: &Type) -> Result<Values> {
    let (left_array, right_array) = (comparable(&left.array, ty)?, comparable(&right.array, ty)?);
    let constant = left.constant && right.constant;
    let array = if is_nested(ty) {
        let rows = if constant { 1 } else { left.array.len().max(right.array.len()) };
        let rows = if left.constant != right.constant {
            if left.constant { right.array.len() } else { left.array.len() }
        } else {
            rows
        };
        compare_nested(comparison, (left, &left_array), (right, &right_array), rows)?
    } else {
        let (left, right) = (datum(left_array, left.constant), datum(right_array, right.constant));
        compare_flat(comparison, left.as_ref(), right.as_ref())?
    };
    Ok(Values { array: Arc::new(array), constant })
}

/// The order of values of one type, row by row.
pub(in crate::expression) fn order(
    left: &ArrayRef,
    right: &ArrayRef,
    ty: &Type,
) -> Result<impl Fn(usize, usize) -> Ordering + use<>> {
    let (left, right) = (comparable(left, ty)?, comparable(right, ty)?);
    let options = SortOptions { descending: false, nulls_first: false };
    make_comparator(&left, &right, options).map_err(kernel_failure)
}

fn datum(array: ArrayRef, constant: bool) -> Box<dyn Datum> {
    if constant { Box::new(Scalar::new(array)) } else { Box::new(array) }
}

fn compare_flat(comparison: Comparison, left: &dyn Datum, right: &dyn Datum) -> Result<BooleanArray> {
    match comparison {
        Comparison::Equal => eq(left, right),
        Comparison::NotEqual => neq(left, right),
        Comparison::Less => lt(left, right),
        Comparison::LessOrEqual => lt_eq(left, right),
        Comparison::Greater => gt(left, right),
        Comparison::GreaterOrEqual => gt_eq(left, right),
        Comparison::Distinct => distinct(left, right),
        Comparison::NotDistinct => not_distinct(left, right),
    }
    .map_err(kernel_failure)
}

const fn is_nested(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Array(..) | Type::Struct(_) | Type::Map(..))
}

fn compare_nested(
    comparison: Comparison,
    (left_values, left): (&Values, &ArrayRef),
    (right_values, right): (&Values, &ArrayRef),
    rows: usize,
) -> Result<BooleanArray> {
    let options = SortOptions { descending: false, nulls_first: false };
    let order = make_comparator(left, right, options).map_err(kernel_failure)?;
    let holds = |row: usize| {
        let (left_row, right_row) = (left_values.at(row), right_values.at(row));
        let order = order(left_row, right_row);
        let null = left.is_null(left_row) || right.is_null(right_row);
        match comparison {
            Comparison::Distinct => Some(order != Ordering::Equal),
            Comparison::NotDistinct => Some(order == Ordering::Equal),
            _ if null => None,
            Comparison::Equal => Some(order == Ordering::Equal),
            Comparison::NotEqual => Some(order != Ordering::Equal),
            Comparison::Less => Some(order == Ordering::Less),
            Comparison::LessOrEqual => Some(order != Ordering::Greater),
            Comparison::Greater => Some(order == Ordering::Greater),
            Comparison::GreaterOrEqual => Some(order != Ordering::Less),
        }
    };
    Ok((0..rows).map(holds).collect())
}

/// The array in a form whose natural order is DuckDB's, and in which equal values are bit for bit equal.
pub(in crate::expression) fn comparable(array: &ArrayRef, ty: &Type) -> Result<ArrayRef> {
    Ok(match ty {
        Type::Float => canonical::<Float32Type>(array, |value| if value.is_nan() { f32::NAN } else { value + 0.0 }),
        Type::Double => canonical::<Float64Type>(array, |value| if value.is_nan() { f64::NAN } else { value + 0.0 }),
        Type::Interval => {
            let keys = array.as_primitive::<IntervalMonthDayNanoType>().iter().map(|value| value.map(interval_key));
            Arc::new(keys.collect::<Decimal128Array>())
        }
        Type::List(item) => {
            let lists = array.as_list::<i32>();
            list(lists.offsets().clone(), comparable(lists.values(), item)?, lists.nulls().cloned())?
        }
        Type::Array(item, size) => {
            let lists = array.as_fixed_size_list();
            let items = comparable(lists.values(), item)?;
            let field = Field::new("item", items.data_type().clone(), true);
            let lists = FixedSizeListArray::try_new(field.into(), *size, items, lists.nulls().cloned());
            Arc::new(lists.map_err(kernel_failure)?)
        }
        Type::Map(key, value) => {
            let maps = array.as_map();
            let fields = [("key".to_owned(), (**key).clone()), ("value".to_owned(), (**value).clone())];
            let entries: ArrayRef = Arc::new(maps.entries().clone());
            let entries = comparable(&entries, &Type::Struct(fields.into()))?;
            list(maps.offsets().clone(), entries, maps.nulls().cloned())?
        }
        Type::Struct(fields) => {
            let structs = array.as_struct();
            let columns = structs.columns().iter().zip(fields).map(|(column, (_, ty))| comparable(column, ty));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let fields = fields.iter().zip(&columns);
            let fields = fields.map(|((name, _), column)| Field::new(name, column.data_type().clone(), true)).collect();
            let structs = StructArray::try_new_with_length(fields, columns, structs.nulls().cloned(), structs.len());
            Arc::new(structs.map_err(kernel_failure)?)
        }
        _ => array.clone(),
    })
}

fn canonical<T: ArrowPrimitiveType>(array: &ArrayRef, value: impl Fn(T::Native) -> T::Native) -> ArrayRef {
    let canonical: PrimitiveArray<T> = array.as_primitive::<T>().unary(value);
    Arc::new(canonical)
}

fn list(
    offsets: arrow::buffer::OffsetBuffer<i32>,
    items: ArrayRef,
    nulls: Option<arrow::buffer::NullBuffer>,
) -> Result<ArrayRef> {
    let field = Field::new("item", DataType::clone(items.data_type()), true);
    Ok(Arc::new(ListArray::try_new(field.into(), offsets, items, nulls).map_err(kernel_failure)?))
}

/// Months of 30 days, days of 24 hours, and microseconds, carried over and side by side in one number.
fn interval_key(value: IntervalMonthDayNano) -> i128 {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    let micros = value.nanoseconds / 1000;
    let days = i64::from(value.days) + micros / MICROS_PER_DAY;
    let months = i64::from(value.months) + days / 30;
    (i128::from(months) << 80) + (i128::from(days % 30) << 40) + i128::from(micros % MICROS_PER_DAY)
}
