//! Is a batch what the table wants: its columns, and no null where none may be; and how it is stored inside the file.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanBufferBuilder, ListArray, MapArray, StructArray, UInt64Array},
    buffer::{NullBuffer, OffsetBuffer},
    compute::take,
    datatypes::{DataType, Field, FieldRef, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};

use crate::{
    delta::{
        duckdb_types::{TypeText, is_stored_as_is, store},
        schema::TableSchema,
    },
    engine::{Error, Extension, Result},
};

/// Checks batches and gives their columns the names and nullability they have in data files.
#[derive(Debug)]
pub(super) struct BatchCheck {
    logical: SchemaRef,
    stored: SchemaRef,
    physical: SchemaRef,
    /// Which columns are not what is stored.
    stores: Vec<bool>,
    /// The schema of the last batch that fitted: batches of one stream share it.
    fits: Option<SchemaRef>,
}

impl BatchCheck {
    pub(super) fn new(schema: &TableSchema) -> Self {
        let stores = schema.logical.fields().iter().map(|field| !is_stored_as_is(field)).collect();
        let [logical, stored, physical] = [&schema.logical, &schema.stored, &schema.physical].map(Arc::clone);
        Self { logical, stored, physical, stores, fits: None }
    }

    /// The batch's columns under their physical types.
    ///
    /// # Errors
    /// `InvalidArgument` by the column that differs, that holds a null although it is NOT NULL, or a value that cannot
    /// be stored.
    pub(super) fn conform(&mut self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let schema = batch.schema_ref();
        if !self.fits.as_ref().is_some_and(|fits| Arc::ptr_eq(fits, schema)) {
            check_columns(schema.fields(), self.logical.fields())?;
            self.fits = Some(Arc::clone(schema));
        }
        let columns = batch.columns().iter().enumerate();
        columns.map(|(index, column)| self.conform_column(index, column)).collect()
    }

    fn conform_column(&self, index: usize, column: &ArrayRef) -> Result<ArrayRef> {
        let (stored, physical) = (self.stored.field(index), self.physical.field(index));
        if !self.stores[index] {
            return conform(column, stored, physical);
        }
        conform(&store(column, self.logical.field(index))?, stored, physical)
    }
}

fn check_columns(have: &[FieldRef], want: &[FieldRef]) -> Result<()> {
    for (index, (have, want)) in have.iter().zip(want).enumerate() {
        if have.name() != want.name() {
            return Err(Error::InvalidArgument(format!(
                "column {} is called \"{}\" where the table has \"{}\"",
                index + 1,
                have.name(),
                want.name()
            )));
        }
        if !same_type(have, want) {
            let name = |field: &Field| {
                TypeText::of(field).map_or_else(|| field.data_type().to_string(), |name| name.to_string())
            };
            return Err(Error::InvalidArgument(format!(
                "column \"{}\" has type {} where the table has {}",
                want.name(),
                name(have),
                name(want)
            )));
        }
    }
    if let Some(extra) = have.get(want.len()) {
        return Err(Error::InvalidArgument(format!("the table has no column \"{}\"", extra.name())));
    }
    if let Some(missing) = want.get(have.len()) {
        return Err(Error::InvalidArgument(format!("column \"{}\" is missing", missing.name())));
    }
    Ok(())
}

/// Equal but for what carries no value: nullability, metadata that names no type, and the names that each sender gives to the elements
/// of lists and the entries of maps.
fn same_type(have: &Field, want: &Field) -> bool {
    match (have.data_type(), want.data_type()) {
        (DataType::List(have), DataType::List(want)) => same_type(have, want),
        (DataType::FixedSizeList(have, length), DataType::FixedSizeList(want, wanted)) => {
            length == wanted && same_type(have, want)
        }
        (DataType::Map(have, _), DataType::Map(want, _)) => match (have.data_type(), want.data_type()) {
            (DataType::Struct(have), DataType::Struct(want)) => {
                have.iter().zip(want).all(|(have, want)| same_type(have, want))
            }
            _ => false,
        },
        (DataType::Struct(have), DataType::Struct(want)) => {
            have.len() == want.len()
                && have.iter().zip(want).all(|(have, want)| have.name() == want.name() && same_type(have, want))
        }
        (storage, wanted) => storage == wanted && Extension::of(have) == Extension::of(want),
    }
}

fn conform(column: &ArrayRef, logical: &Field, physical: &Field) -> Result<ArrayRef> {
    if has_doubtful_null(column, logical) {
        refuse_nulls(column, logical, None, logical.name())?;
    }
    let retyped = retype(column, physical.data_type()).or_else(|_| {
        // Nulls that no row reaches (outside a list's range, below a null) are refused by Arrow's constructors;
        // a copy leaves them out.
        let rows = UInt64Array::from_iter_values(0..column.len() as u64);
        retype(&take(column, &rows, None)?, physical.data_type())
    });
    retyped.map_err(|e| Error::internal(format!("could not convert column \"{}\"", logical.name()), e))
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
        DataType::Map(entries, _) => {
            let fields = entry_fields(entries);
            array.as_map().entries().columns().iter().zip(fields).any(|(child, field)| has_doubtful_null(child, field))
        }
        _ => false,
    }
}

/// `outer` says which of the array's places belong to a row at all; `None` means all.
fn refuse_nulls(array: &ArrayRef, field: &Field, outer: Option<&NullBuffer>, path: &str) -> Result<()> {
    if !field.is_nullable() && has_null(array, outer) {
        return Err(Error::InvalidArgument(format!("column \"{path}\" is NOT NULL but a row has no value for it")));
    }
    let valid = NullBuffer::union(outer, array.nulls());
    match field.data_type() {
        DataType::Struct(fields) => {
            for (child, field) in array.as_struct().columns().iter().zip(fields) {
                refuse_nulls(child, field, valid.as_ref(), &format!("{path}.{}", field.name()))?;
            }
        }
        DataType::List(element) => {
            let list = array.as_list::<i32>();
            let reachable = reachable(list.offsets(), valid.as_ref(), list.values().len());
            refuse_nulls(list.values(), element, Some(&reachable), &format!("{path}.element"))?;
        }
        DataType::Map(entries, _) => {
            let map = array.as_map();
            let reachable = reachable(map.offsets(), valid.as_ref(), map.entries().len());
            let children = map.entries().columns().iter().zip(entry_fields(entries)).zip(["key", "value"]);
            for ((child, field), name) in children {
                refuse_nulls(child, field, Some(&reachable), &format!("{path}.{name}"))?;
            }
        }
        _ => {}
    }
    Ok(())
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

/// The same values under another spelling of their type. No copy of values.
fn retype(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    Ok(match to {
        DataType::Struct(fields) => Arc::new(retype_struct(array.as_struct(), fields)?),
        DataType::List(element) => {
            let list = array.as_list::<i32>();
            let values = retype(list.values(), element.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(element), list.offsets().clone(), values, list.nulls().cloned())?)
        }
        DataType::Map(entries, ordered) => {
            let map = array.as_map();
            let pairs = retype_struct(map.entries(), entry_fields(entries))?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *ordered)?)
        }
        _ => Arc::clone(array),
    })
}

fn retype_struct(array: &StructArray, fields: &[FieldRef]) -> Result<StructArray, ArrowError> {
    let columns = array.columns().iter().zip(fields).map(|(column, field)| retype(column, field.data_type()));
    let columns = columns.collect::<Result<_, _>>()?;
    StructArray::try_new_with_length(fields.into(), columns, array.nulls().cloned(), array.len())
}
