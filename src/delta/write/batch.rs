//! Does a batch have the table's columns, and how is it stored inside the file.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, UInt64Array},
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
    physical: SchemaRef,
    /// Which columns are not what is stored.
    stores: Vec<bool>,
    /// The schema of the last batch that fitted: batches of one stream share it.
    fits: Option<SchemaRef>,
}

impl BatchCheck {
    pub(super) fn new(schema: &TableSchema) -> Self {
        let stores = schema.logical.fields().iter().map(|field| !is_stored_as_is(field)).collect();
        let [logical, physical] = [&schema.logical, &schema.physical].map(Arc::clone);
        Self { logical, physical, stores, fits: None }
    }

    /// # Errors
    /// `InvalidArgument` by the column that differs.
    pub(super) fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema_ref();
        if !self.fits.as_ref().is_some_and(|fits| Arc::ptr_eq(fits, schema)) {
            check_columns(schema.fields(), self.logical.fields())?;
            self.fits = Some(Arc::clone(schema));
        }
        Ok(())
    }

    /// The columns of a batch that was checked, and has no NULL where none may be, under their physical types.
    ///
    /// # Errors
    /// `InvalidArgument` by column for a value that cannot be stored.
    pub(super) fn physical(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let columns = batch.columns().iter().enumerate();
        columns.map(|(index, column)| self.physical_column(index, column)).collect()
    }

    fn physical_column(&self, index: usize, column: &ArrayRef) -> Result<ArrayRef> {
        let physical = self.physical.field(index);
        if !self.stores[index] {
            return conform(column, physical);
        }
        conform(&store(column, self.logical.field(index))?, physical)
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

/// Equal but for what carries no value: nullability, metadata that names no type, and the names that each sender gives
/// to the elements of lists and the entries of maps.
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

/// The same values in the spelling of the type that a field has: a list's elements may go by another name.
pub(crate) fn conform(column: &ArrayRef, physical: &Field) -> Result<ArrayRef> {
    let retyped = retype(column, physical.data_type()).or_else(|_| {
        // Nulls that no row reaches (outside a list's range, below a null) are refused by Arrow's constructors;
        // a copy leaves them out.
        let rows = UInt64Array::from_iter_values(0..column.len() as u64);
        retype(&take(column, &rows, None)?, physical.data_type())
    });
    retyped.map_err(|e| Error::internal(format!("could not convert column \"{}\"", physical.name()), e))
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
