//! NOT NULL at every depth: of columns, struct fields, list elements and map values. A struct that is NULL excuses its
//! fields, as do lists and maps.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanBufferBuilder},
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, FieldRef, Schema},
    record_batch::RecordBatch,
};

use super::Violation;
use crate::delta::schema::{LIST_ELEMENT, MAP_KEY, MAP_VALUE};

/// A NULL that may not be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Null {
    /// `l.element.must`
    pub(super) path: String,
    pub(super) violation: Violation,
}

pub(super) fn first_null(rows: &RecordBatch, columns: &Schema) -> Option<Null> {
    rows.columns().iter().zip(columns.fields()).enumerate().find_map(|(index, (column, field))| {
        if !has_doubtful_null(column, field) {
            return None;
        }
        null_path(column, field, None, field.name())?;
        let row = first_row_with_null(column, field);
        // The first such row may have another one than the column as a whole.
        let path = null_path(&column.slice(row, 1), field, None, field.name()).unwrap_or_else(|| field.name().clone());
        Some(Null { path, violation: Violation { row, columns: vec![index] } })
    })
}

/// The first row of a column that has a NULL where none may be, found by halving.
fn first_row_with_null(column: &ArrayRef, field: &Field) -> usize {
    let (mut start, mut length) = (0, column.len());
    while length > 1 {
        let half = length / 2;
        if null_path(&column.slice(start, half), field, None, field.name()).is_some() {
            length = half;
        } else {
            (start, length) = (start + half, length - half);
        }
    }
    start
}

/// Whether some array below a NOT NULL field has nulls at all, be they reachable or not.
fn has_doubtful_null(array: &ArrayRef, field: &Field) -> bool {
    if !field.is_nullable() && array.logical_null_count() > 0 {
        return true;
    }
    match field.data_type() {
        DataType::Struct(fields) => {
            array.as_struct().columns().iter().zip(fields).any(|(child, field)| has_doubtful_null(child, field))
        }
        DataType::List(element) => has_doubtful_null(array.as_list::<i32>().values(), element),
        DataType::FixedSizeList(element, _) => has_doubtful_null(array.as_fixed_size_list().values(), element),
        DataType::Map(entries, _) => {
            let fields = entry_fields(entries);
            array.as_map().entries().columns().iter().zip(fields).any(|(child, field)| has_doubtful_null(child, field))
        }
        _ => false,
    }
}

/// The dotted name of a place that holds a NULL and may not. `outer` says which of the array's places belong to a row
/// at all; `None` means all.
fn null_path(array: &ArrayRef, field: &Field, outer: Option<&NullBuffer>, path: &str) -> Option<String> {
    if !field.is_nullable() && has_null(array, outer) {
        return Some(path.to_owned());
    }
    let valid = NullBuffer::union(outer, array.nulls());
    match field.data_type() {
        DataType::Struct(fields) => array
            .as_struct()
            .columns()
            .iter()
            .zip(fields)
            .find_map(|(child, field)| null_path(child, field, valid.as_ref(), &format!("{path}.{}", field.name()))),
        DataType::List(element) => {
            let list = array.as_list::<i32>();
            let reachable = reachable(list.offsets(), valid.as_ref(), list.values().len());
            null_path(list.values(), element, Some(&reachable), &format!("{path}.{LIST_ELEMENT}"))
        }
        DataType::FixedSizeList(element, size) => {
            let list = array.as_fixed_size_list();
            let reachable = valid.map(|valid| valid.expand(usize::try_from(*size).unwrap_or_default()));
            null_path(list.values(), element, reachable.as_ref(), &format!("{path}.{LIST_ELEMENT}"))
        }
        DataType::Map(entries, _) => {
            let map = array.as_map();
            let reachable = reachable(map.offsets(), valid.as_ref(), map.entries().len());
            let mut children = map.entries().columns().iter().zip(entry_fields(entries)).zip([MAP_KEY, MAP_VALUE]);
            children
                .find_map(|((child, field), name)| null_path(child, field, Some(&reachable), &format!("{path}.{name}")))
        }
        _ => None,
    }
}

fn has_null(array: &ArrayRef, outer: Option<&NullBuffer>) -> bool {
    let Some(nulls) = array.logical_nulls() else { return false };
    match outer {
        None => nulls.null_count() > 0,
        Some(outer) => nulls.iter().zip(outer).any(|(valid, wanted)| wanted && !valid),
    }
}

/// Which of a list's `len` values lie in a row that is not null.
fn reachable(offsets: &OffsetBuffer<i32>, valid: Option<&NullBuffer>, len: usize) -> NullBuffer {
    let mut mask = BooleanBufferBuilder::new(len);
    for (row, range) in offsets.windows(2).enumerate() {
        let (start, end) = (range[0].max(0) as usize, range[1].max(0) as usize);
        mask.append_n(start.saturating_sub(mask.len()), false);
        mask.append_n(end - start, valid.is_none_or(|valid| valid.is_valid(row)));
    }
    mask.append_n(len.saturating_sub(mask.len()), false);
    NullBuffer::new(mask.finish())
}

fn entry_fields(entries: &Field) -> &[FieldRef] {
    match entries.data_type() {
        DataType::Struct(fields) => fields,
        _ => &[],
    }
}
