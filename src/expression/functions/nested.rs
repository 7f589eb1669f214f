//! Lists, structs and maps: made, taken apart, measured.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, StructArray, UInt32Array},
    buffer::{NullBuffer, OffsetBuffer},
    compute,
    datatypes::{DataType, Int64Type},
};

use super::{Call, Form, Function};
use crate::{
    engine::{Error, Result},
    expression::{
        eval::{kernel_failure, order},
        types::Type,
    },
};

pub(in crate::expression) static LIST_VALUE: Function = function("list_value", list_value, "list_value", "array");
pub(in crate::expression) static STRUCT_PACK: Function =
    Function { duckdb: Form::None, spark: Form::None, ..function("struct_pack", struct_pack, "", "") };
pub(in crate::expression) static STRUCT_EXTRACT: Function =
    Function { spark: Form::Field, ..function("struct_extract", struct_extract, "struct_extract", "") };
pub(in crate::expression) static ARRAY_EXTRACT: Function =
    Function { spark: Form::None, ..function("array_extract", array_extract, "array_extract", "") };
pub(in crate::expression) static MAP_EXTRACT_VALUE: Function =
    Function { spark: Form::Subscript, ..function("map_extract_value", map_extract_value, "map_extract_value", "") };
pub(in crate::expression) static LENGTH_OF_LIST: Function =
    Function { keeps_nulls: true, ..function("len", length, "len", "") };
pub(in crate::expression) static CARDINALITY: Function =
    Function { keeps_nulls: true, ..function("cardinality", cardinality, "cardinality", "") };
pub(in crate::expression) static LIST_CONTAINS: Function =
    function("list_contains", list_contains, "list_contains", "");
/// Spark's: an index from 0 for arrays, and by key for maps.
pub(in crate::expression) static GET: Function =
    Function { duckdb: Form::None, spark: Form::Subscript, ..function("get", get, "", "") };
/// Spark's `size`, which is -1 for NULL.
pub(in crate::expression) static SIZE: Function = Function { duckdb: Form::None, ..function("size", size, "", "size") };

const fn function(
    name: &'static str,
    run: fn(&Call<'_>) -> Result<ArrayRef>,
    duckdb: &'static str,
    spark: &'static str,
) -> Function {
    Function { name, run, fails: false, keeps_nulls: false, duckdb: call_form(duckdb), spark: call_form(spark) }
}

/// No name is no form.
const fn call_form(name: &'static str) -> Form {
    if name.is_empty() { Form::None } else { Form::Call(name) }
}

fn list_value(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::List(field) = call.ty.memory() else { return Err(misbound(call)) };
    let count = call.arguments.len();
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(count, call.rows));
    let items = if count == 0 {
        arrow::array::new_empty_array(field.data_type())
    } else {
        let arrays: Vec<&dyn Array> = call.arguments.iter().map(|values| values.array.as_ref()).collect();
        let places: Vec<(usize, usize)> = (0..call.rows)
            .flat_map(|row| call.arguments.iter().enumerate().map(move |(index, values)| (index, values.at(row))))
            .collect();
        compute::interleave(&arrays, &places).map_err(kernel_failure)?
    };
    Ok(Arc::new(ListArray::try_new(field, offsets, items, None).map_err(kernel_failure)?))
}

fn struct_pack(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = call.ty.memory() else { return Err(misbound(call)) };
    let columns = call.arguments.iter().map(|values| values.clone().expand(call.rows)).collect::<Result<_>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(fields, columns, None, call.rows).map_err(kernel_failure)?))
}

/// The second argument is a literal name.
fn struct_extract(call: &Call<'_>) -> Result<ArrayRef> {
    let name = call.text(1)(0).unwrap_or_default();
    let Type::Struct(fields) = call.types[0] else { return Err(misbound(call)) };
    let index = fields.iter().position(|(field, _)| field.eq_ignore_ascii_case(name)).ok_or_else(|| misbound(call))?;
    let values = &call.arguments[0];
    let structs = values.array.as_struct();
    let column = match structs.nulls() {
        Some(nulls) => {
            let hidden = BooleanArray::new(!nulls.inner(), None);
            compute::nullif(structs.column(index), &hidden).map_err(kernel_failure)?
        }
        None => structs.column(index).clone(),
    };
    super::super::eval::Values { array: column, constant: values.constant }.expand(call.rows)
}

/// From 1, or from -1 at the end; NULL past either.
fn array_extract(call: &Call<'_>) -> Result<ArrayRef> {
    extract(call, |index, length| match index {
        1.. => Some(index - 1),
        0 => None,
        _ => Some(length + index),
    })
}

/// Spark's `a[i]`, from 0.
fn get(call: &Call<'_>) -> Result<ArrayRef> {
    extract(call, |index, _| Some(index))
}

fn extract(call: &Call<'_>, place: impl Fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let values = &call.arguments[0];
    let lists = values.array.as_list::<i32>();
    let indices = call.number::<Int64Type>(1);
    let places: UInt32Array = (0..call.rows)
        .map(|row| {
            let index = indices(row)?;
            let row = values.at(row);
            let length = i64::from(lists.is_valid(row).then(|| lists.value_length(row))?);
            let place = place(index, length).filter(|place| (0..length).contains(place))?;
            u32::try_from(i64::from(lists.value_offsets()[row]) + place).ok()
        })
        .collect();
    compute::take(lists.values(), &places, None).map_err(kernel_failure)
}

fn map_extract_value(call: &Call<'_>) -> Result<ArrayRef> {
    let (maps_values, keys_values) = (&call.arguments[0], &call.arguments[1]);
    let maps = maps_values.array.as_map();
    let order = order(maps.keys(), &keys_values.array, call.types[1])?;
    let places: UInt32Array = (0..call.rows)
        .map(|row| {
            let (map, key) = (maps_values.at(row), keys_values.at(row));
            if maps.is_null(map) || keys_values.array.is_null(key) {
                return None;
            }
            let offsets = maps.value_offsets();
            let mut entries = offsets[map] as usize..offsets[map + 1] as usize;
            entries.find(|entry| order(*entry, key) == Ordering::Equal).and_then(|entry| u32::try_from(entry).ok())
        })
        .collect();
    compute::take(maps.values(), &places, None).map_err(kernel_failure)
}

fn lengths(call: &Call<'_>) -> impl Fn(usize) -> Option<i64> {
    let values = call.arguments[0].clone();
    let is_map = matches!(call.types[0], Type::Map(..));
    move |row| {
        let row = values.at(row);
        let length = || {
            if is_map {
                values.array.as_map().value_length(row)
            } else {
                values.array.as_list::<i32>().value_length(row)
            }
        };
        values.array.is_valid(row).then(|| i64::from(length()))
    }
}

fn length(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(Arc::new((0..call.rows).map(lengths(call)).collect::<Int64Array>()))
}

fn cardinality(call: &Call<'_>) -> Result<ArrayRef> {
    let lengths = lengths(call);
    let lengths = (0..call.rows).map(|row| lengths(row).and_then(|length| u64::try_from(length).ok()));
    Ok(Arc::new(lengths.collect::<arrow::array::UInt64Array>()))
}

fn size(call: &Call<'_>) -> Result<ArrayRef> {
    let lengths = lengths(call);
    let lengths = (0..call.rows).map(|row| lengths(row).map_or(Some(-1), |length| i32::try_from(length).ok()));
    Ok(Arc::new(lengths.collect::<arrow::array::Int32Array>()))
}

/// NULL in the list is skipped; NULL list or value is NULL.
fn list_contains(call: &Call<'_>) -> Result<ArrayRef> {
    let (lists_values, wanted) = (&call.arguments[0], &call.arguments[1]);
    let lists = lists_values.array.as_list::<i32>();
    let order = order(lists.values(), &wanted.array, call.types[1])?;
    let nulls: Option<NullBuffer> = lists.values().nulls().cloned();
    Ok(call.booleans(|row| {
        let (list, value) = (lists_values.at(row), wanted.at(row));
        if lists.is_null(list) || wanted.array.is_null(value) {
            return None;
        }
        let offsets = lists.value_offsets();
        let mut items = offsets[list] as usize..offsets[list + 1] as usize;
        let valid = |item: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(item));
        Some(items.any(|item| valid(item) && order(item, value) == Ordering::Equal))
    }))
}

/// The tree gave a function what it does not take.
fn misbound(call: &Call<'_>) -> Error {
    Error::InvalidArgument(format!("{} is not offered for these arguments", call.function.name))
}
