//! Which rows satisfy a predicate, exactly as DuckDB would say.
//!
//! A row counts when the predicate is true of it; with AND and OR alone, "false" and "NULL" need no telling apart.
//! What cannot be evaluated (another kind of constant, a column that is not there) counts as true.

use std::{collections::HashMap, ops::BitAnd};

use arrow::{
    array::{Array, ArrayRef, AsArray},
    buffer::{BooleanBuffer, NullBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    },
};

use super::order::{bytes, compare_floats};
use crate::engine::{ColumnPath, CompareOp, Predicate, Scalar};

/// Lists up to this length are searched one by one, longer ones by halves.
const LINEAR_SEARCH_MAX: usize = 8;

/// Rows of a table, by the logical names of its columns.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) columns: HashMap<&'a str, ArrayRef>,
    pub(super) count: usize,
}

/// A mask of the rows of which the predicate is true.
pub(super) fn matches(predicate: &Predicate, rows: &Rows<'_>) -> BooleanBuffer {
    match predicate {
        Predicate::Unknown => BooleanBuffer::new_set(rows.count),
        Predicate::And(parts) => {
            let all = BooleanBuffer::new_set(rows.count);
            parts.iter().fold(all, |mask, part| if any(&mask) { &mask & &matches(part, rows) } else { mask })
        }
        Predicate::Or(parts) => {
            let none = BooleanBuffer::new_unset(rows.count);
            parts.iter().fold(none, |mask, part| &mask | &matches(part, rows))
        }
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::IsNull { column, .. }
        | Predicate::StartsWith { column, .. } => match rows.column(column) {
            Some((array, nulls)) => leaf_matches(predicate, &array, nulls.as_ref()),
            None => BooleanBuffer::new_set(rows.count),
        },
    }
}

fn any(mask: &BooleanBuffer) -> bool {
    mask.set_indices().next().is_some()
}

impl Rows<'_> {
    /// A column or nested field, and where it is NULL: a field is where its struct is.
    fn column(&self, path: &ColumnPath) -> Option<(ArrayRef, Option<NullBuffer>)> {
        let (first, nested) = path.split_first()?;
        let mut array = self.columns.get(first.as_str())?.clone();
        let mut nulls = array.logical_nulls();
        for name in nested {
            array = array.as_struct_opt()?.column_by_name(name)?.clone();
            nulls = NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref());
        }
        Some((array, nulls))
    }
}

fn leaf_matches(leaf: &Predicate, array: &ArrayRef, nulls: Option<&NullBuffer>) -> BooleanBuffer {
    let count = array.len();
    let values = match leaf {
        Predicate::IsNull { negated, .. } => {
            let valid = nulls.map_or_else(|| BooleanBuffer::new_set(count), |nulls| nulls.inner().clone());
            return if *negated { valid } else { !&valid };
        }
        Predicate::Compare { op, value, .. } => compared(array, *op, value),
        Predicate::In { values, negated, .. } => listed(array, values).map(|mask| if *negated { !&mask } else { mask }),
        Predicate::StartsWith { prefix, negated, .. } => {
            each_bytes(array, |value| value.starts_with(prefix.as_bytes()) != *negated)
        }
        _ => None,
    };
    match (values, nulls) {
        (None, _) => BooleanBuffer::new_set(count),
        (Some(values), None) => values,
        (Some(values), Some(nulls)) => values.bitand(nulls.inner()),
    }
}

/// `array op value` where the array is not NULL; `None` for a value of another kind.
fn compared(array: &ArrayRef, op: CompareOp, value: &Scalar) -> Option<BooleanBuffer> {
    match (array.data_type(), value) {
        (DataType::Boolean, Scalar::Boolean(value)) => {
            let values = array.as_boolean().values();
            Some(BooleanBuffer::collect_bool(values.len(), |i| holds(op, &values.value(i), value)))
        }
        (DataType::Int8, Scalar::Integer(value)) => Some(integers::<Int8Type>(array, op, *value)),
        (DataType::Int16, Scalar::Integer(value)) => Some(integers::<Int16Type>(array, op, *value)),
        (DataType::Int32, Scalar::Integer(value)) => Some(integers::<Int32Type>(array, op, *value)),
        (DataType::Int64, Scalar::Integer(value)) => Some(integers::<Int64Type>(array, op, *value)),
        (DataType::Decimal128(_, column), Scalar::Decimal { unscaled, scale }) => {
            decimals(array, op, Rescaled::new(*unscaled, *scale, *column))
        }
        (DataType::Float32, Scalar::Float(value)) => Some(floats::<Float32Type>(array, op, *value)),
        (DataType::Float64, Scalar::Float(value)) => Some(floats::<Float64Type>(array, op, *value)),
        (DataType::Date32, Scalar::Date(value)) => Some(primitives::<Date32Type>(array, op, *value)),
        (DataType::Timestamp(TimeUnit::Microsecond, _), Scalar::Timestamp(value)) => {
            Some(primitives::<TimestampMicrosecondType>(array, op, *value))
        }
        _ => {
            let wanted = bytes(value)?;
            match op {
                CompareOp::Equal => each_bytes(array, |value| value == wanted),
                CompareOp::NotEqual => each_bytes(array, |value| value != wanted),
                _ => each_bytes(array, |value| holds(op, value, wanted)),
            }
        }
    }
}

fn holds<T: PartialOrd + ?Sized>(op: CompareOp, left: &T, right: &T) -> bool {
    match op {
        CompareOp::Equal => left == right,
        CompareOp::NotEqual => left != right,
        CompareOp::Less => left < right,
        CompareOp::LessOrEqual => left <= right,
        CompareOp::Greater => left > right,
        CompareOp::GreaterOrEqual => left >= right,
    }
}

/// The operator is decided once, outside of the loop, so that each loop is a plain one.
fn primitives<T: ArrowPrimitiveType<Native: PartialOrd>>(
    array: &ArrayRef,
    op: CompareOp,
    value: T::Native,
) -> BooleanBuffer {
    let values = array.as_primitive::<T>().values();
    match op {
        CompareOp::Equal => each(values, |item| item == value),
        CompareOp::NotEqual => each(values, |item| item != value),
        CompareOp::Less => each(values, |item| item < value),
        CompareOp::LessOrEqual => each(values, |item| item <= value),
        CompareOp::Greater => each(values, |item| item > value),
        CompareOp::GreaterOrEqual => each(values, |item| item >= value),
    }
}

fn each<T: Copy>(values: &[T], test: impl Fn(T) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |i| test(values[i]))
}

fn integers<T: ArrowPrimitiveType<Native: PartialOrd + TryFrom<i128>>>(
    array: &ArrayRef,
    op: CompareOp,
    value: i128,
) -> BooleanBuffer {
    match T::Native::try_from(value) {
        Ok(value) => primitives::<T>(array, op, value),
        Err(_) => beyond(array.len(), op, value > 0),
    }
}

/// The mask for a value above, or below, everything the column can hold.
fn beyond(count: usize, op: CompareOp, above: bool) -> BooleanBuffer {
    let all = match op {
        CompareOp::Equal => false,
        CompareOp::NotEqual => true,
        CompareOp::Less | CompareOp::LessOrEqual => above,
        CompareOp::Greater | CompareOp::GreaterOrEqual => !above,
    };
    if all { BooleanBuffer::new_set(count) } else { BooleanBuffer::new_unset(count) }
}

/// A decimal constant at a column's scale.
enum Rescaled {
    Exact(i128),
    /// Between this one and the next.
    JustAbove(i128),
    /// Greater, or less, than every decimal.
    Beyond {
        above: bool,
    },
}

impl Rescaled {
    fn new(unscaled: i128, scale: u8, column: i8) -> Option<Self> {
        let up = i32::from(column) - i32::from(scale);
        let factor = 10_i128.checked_pow(up.unsigned_abs());
        if up >= 0 {
            let exact = factor.and_then(|factor| unscaled.checked_mul(factor));
            return Some(exact.map_or(Self::Beyond { above: unscaled > 0 }, Self::Exact));
        }
        let floor = unscaled.div_euclid(factor?);
        Some(if unscaled.rem_euclid(factor?) == 0 { Self::Exact(floor) } else { Self::JustAbove(floor) })
    }
}

fn decimals(array: &ArrayRef, op: CompareOp, value: Option<Rescaled>) -> Option<BooleanBuffer> {
    Some(match value? {
        Rescaled::Exact(value) => primitives::<Decimal128Type>(array, op, value),
        Rescaled::Beyond { above } => beyond(array.len(), op, above),
        Rescaled::JustAbove(floor) => match op {
            CompareOp::Equal => BooleanBuffer::new_unset(array.len()),
            CompareOp::NotEqual => BooleanBuffer::new_set(array.len()),
            CompareOp::Less | CompareOp::LessOrEqual => {
                primitives::<Decimal128Type>(array, CompareOp::LessOrEqual, floor)
            }
            CompareOp::Greater | CompareOp::GreaterOrEqual => {
                primitives::<Decimal128Type>(array, CompareOp::Greater, floor)
            }
        },
    })
}

fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(array: &ArrayRef, op: CompareOp, value: f64) -> BooleanBuffer {
    let values = array.as_primitive::<T>().values();
    match op {
        CompareOp::Equal => each(values, |item| compare_floats(item.into(), value).is_eq()),
        CompareOp::NotEqual => each(values, |item| compare_floats(item.into(), value).is_ne()),
        CompareOp::Less => each(values, |item| compare_floats(item.into(), value).is_lt()),
        CompareOp::LessOrEqual => each(values, |item| compare_floats(item.into(), value).is_le()),
        CompareOp::Greater => each(values, |item| compare_floats(item.into(), value).is_gt()),
        CompareOp::GreaterOrEqual => each(values, |item| compare_floats(item.into(), value).is_ge()),
    }
}

fn each_bytes(array: &ArrayRef, test: impl Fn(&[u8]) -> bool) -> Option<BooleanBuffer> {
    match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            Some(BooleanBuffer::collect_bool(array.len(), |i| test(array.value(i).as_bytes())))
        }
        DataType::Binary => {
            let array = array.as_binary::<i32>();
            Some(BooleanBuffer::collect_bool(array.len(), |i| test(array.value(i))))
        }
        _ => None,
    }
}

/// `array IN (values)` where the array is not NULL; `None` if a value is of another kind.
fn listed(array: &ArrayRef, values: &[Scalar]) -> Option<BooleanBuffer> {
    let integer = |value: &Scalar| if let Scalar::Integer(value) = value { Some(*value) } else { None };
    match array.data_type() {
        DataType::Int8 => Some(members::<Int8Type>(array, &kept(values, |v| Some(i8::try_from(integer(v)?).ok()))?)),
        DataType::Int16 => Some(members::<Int16Type>(array, &kept(values, |v| Some(i16::try_from(integer(v)?).ok()))?)),
        DataType::Int32 => Some(members::<Int32Type>(array, &kept(values, |v| Some(i32::try_from(integer(v)?).ok()))?)),
        DataType::Int64 => Some(members::<Int64Type>(array, &kept(values, |v| Some(i64::try_from(integer(v)?).ok()))?)),
        DataType::Date32 => {
            let date = |value: &Scalar| if let Scalar::Date(date) = value { Some(Some(*date)) } else { None };
            Some(members::<Date32Type>(array, &kept(values, date)?))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros =
                |value: &Scalar| if let Scalar::Timestamp(micros) = value { Some(Some(*micros)) } else { None };
            Some(members::<TimestampMicrosecondType>(array, &kept(values, micros)?))
        }
        DataType::Decimal128(_, scale) => {
            let at_scale = |value: &Scalar| match value {
                Scalar::Decimal { unscaled, scale: own } => match Rescaled::new(*unscaled, *own, *scale)? {
                    Rescaled::Exact(value) => Some(Some(value)),
                    _ => Some(None),
                },
                _ => None,
            };
            Some(members::<Decimal128Type>(array, &kept(values, at_scale)?))
        }
        DataType::Utf8 | DataType::Binary => {
            let list = kept(values, |value| bytes(value).map(Some))?;
            each_bytes(array, |value| contains(&list, &value))
        }
        _ => {
            let none = BooleanBuffer::new_unset(array.len());
            values.iter().try_fold(none, |mask, value| Some(&mask | &compared(array, CompareOp::Equal, value)?))
        }
    }
}

/// The values as the column has them, sorted, without those it cannot hold; `None` if one is of another kind.
fn kept<'v, T: Ord>(values: &'v [Scalar], convert: impl Fn(&'v Scalar) -> Option<Option<T>>) -> Option<Vec<T>> {
    let converted: Option<Vec<Option<T>>> = values.iter().map(convert).collect();
    let mut list: Vec<T> = converted?.into_iter().flatten().collect();
    list.sort_unstable();
    Some(list)
}

fn members<T: ArrowPrimitiveType<Native: Ord>>(array: &ArrayRef, list: &[T::Native]) -> BooleanBuffer {
    each(array.as_primitive::<T>().values(), |value| contains(list, &value))
}

fn contains<T: Ord>(sorted: &[T], value: &T) -> bool {
    if sorted.len() <= LINEAR_SEARCH_MAX { sorted.contains(value) } else { sorted.binary_search(value).is_ok() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int8Array, StringArray};

    use super::*;

    fn kept(array: impl Array + 'static, predicate: impl FnOnce(ColumnPath) -> Predicate) -> Vec<usize> {
        let count = array.len();
        let rows = Rows { columns: HashMap::from([("c", Arc::new(array) as ArrayRef)]), count };
        matches(&predicate(vec!["c".to_owned()]), &rows).set_indices().collect()
    }

    fn compare(op: CompareOp, value: Scalar) -> impl FnOnce(ColumnPath) -> Predicate {
        move |column| Predicate::Compare { column, op, value }
    }

    #[test]
    fn floats_follow_duckdb() {
        use CompareOp::{Equal, Greater, LessOrEqual, NotEqual};
        let array =
            || Float64Array::from(vec![Some(-0.0), Some(0.0), Some(f64::NAN), Some(-f64::NAN), Some(1.0), None]);
        let at = |op, value| kept(array(), compare(op, Scalar::Float(value)));
        assert_eq!(at(Equal, 0.0), [0, 1]);
        assert_eq!(at(NotEqual, -0.0), [2, 3, 4]);
        assert_eq!(at(Equal, f64::NAN), [2, 3]);
        assert_eq!(at(Greater, 0.5), [2, 3, 4]);
        assert_eq!(at(Greater, f64::NAN), Vec::<usize>::new());
        assert_eq!(at(LessOrEqual, f64::NAN), [0, 1, 2, 3, 4]);
        let list = vec![Scalar::Float(0.0), Scalar::Float(f64::NAN)];
        assert_eq!(kept(array(), |column| Predicate::In { column, values: list, negated: false }), [0, 1, 2, 3]);
    }

    #[test]
    fn constants_beyond_the_column_decide_alone() {
        use CompareOp::{Equal, Greater, Less, NotEqual};
        let bytes = || Int8Array::from(vec![Some(-128), Some(127), None]);
        let at = |op, value| kept(bytes(), compare(op, Scalar::Integer(value)));
        assert_eq!((at(Less, 128), at(Greater, 128)), (vec![0, 1], vec![]));
        assert_eq!((at(Less, -129), at(Greater, -129)), (vec![], vec![0, 1]));
        assert_eq!((at(Equal, 1 << 100), at(NotEqual, 1 << 100)), (vec![], vec![0, 1]));

        let tenths = || Decimal128Array::from(vec![-16, -15, 15, 16]).with_precision_and_scale(9, 1).unwrap();
        let at = |op, unscaled, scale| kept(tenths(), compare(op, Scalar::Decimal { unscaled, scale }));
        assert_eq!(at(Equal, 1500, 3), [2]);
        assert_eq!(at(Less, 155, 2), [0, 1, 2], "between two values of the column");
        assert_eq!(at(Greater, -155, 2), [1, 2, 3]);
        assert_eq!(at(Less, i128::MAX, 0), [0, 1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_evaluated_keeps_every_row() {
        let texts = || StringArray::from(vec![Some("a"), None]);
        let number = Scalar::Integer(1);
        assert_eq!(kept(texts(), compare(CompareOp::Equal, number.clone())), [0, 1]);
        let list = vec![Scalar::Text("b".to_owned()), number];
        assert_eq!(kept(texts(), |column| Predicate::In { column, values: list, negated: false }), [0, 1]);
        let elsewhere = |_| Predicate::IsNull { column: vec!["d".to_owned()], negated: true };
        assert_eq!(kept(texts(), elsewhere), [0, 1]);
        let below = |_| Predicate::IsNull { column: vec!["c".to_owned(), "d".to_owned()], negated: true };
        assert_eq!(kept(texts(), below), [0, 1]);
    }

    #[test]
    fn long_lists_are_searched_as_short_ones() {
        let array = || (0..100).map(|i| Some(format!("{i}"))).collect::<StringArray>();
        for length in [1, LINEAR_SEARCH_MAX, LINEAR_SEARCH_MAX + 1, 50] {
            let list = || (0..length).rev().map(|i| Scalar::Text(format!("{}", i * 2))).collect();
            let of = |negated| kept(array(), |column| Predicate::In { column, values: list(), negated });
            assert_eq!(of(false), (0..length).map(|i| i * 2).collect::<Vec<_>>());
            assert_eq!(of(true).len(), 100 - length);
        }
    }
}
