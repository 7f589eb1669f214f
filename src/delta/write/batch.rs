//! Does a batch have the table's columns, and how does it look inside the file.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, UInt64Array},
    compute::take,
    datatypes::{DataType, Field, FieldRef, SchemaRef},
    error::ArrowError,
    record_batch::RecordBatch,
};

use crate::{
    delta::schema::TableSchema,
    engine::{Error, Result},
};

/// Checks batches and gives their columns the names and nullability they have in data files.
#[derive(Debug)]
pub(super) struct BatchCheck {
    logical: SchemaRef,
    physical: SchemaRef,
    /// The schema of the last batch that fitted: batches of one stream share it.
    fits: Option<SchemaRef>,
}

impl BatchCheck {
    pub(super) fn new(schema: &TableSchema) -> Self {
        Self { logical: Arc::clone(&schema.logical), physical: Arc::clone(&schema.physical), fits: None }
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
    pub(super) fn physical(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        batch.columns().iter().zip(self.physical.fields()).map(|(column, physical)| conform(column, physical)).collect()
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
        if !same_type(have.data_type(), want.data_type()) {
            return Err(Error::InvalidArgument(format!(
                "column \"{}\" has type {} where the table has {}",
                want.name(),
                have.data_type(),
                want.data_type()
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

/// Equal but for what carries no value: nullability, metadata, and the names that each sender gives to the elements
/// of lists and the entries of maps.
fn same_type(have: &DataType, want: &DataType) -> bool {
    match (have, want) {
        (DataType::List(have), DataType::List(want)) => same_type(have.data_type(), want.data_type()),
        (DataType::Map(have, _), DataType::Map(want, _)) => match (have.data_type(), want.data_type()) {
            (DataType::Struct(have), DataType::Struct(want)) => {
                have.iter().zip(want).all(|(have, want)| same_type(have.data_type(), want.data_type()))
            }
            _ => false,
        },
        (DataType::Struct(have), DataType::Struct(want)) => {
            have.len() == want.len()
                && have
                    .iter()
                    .zip(want)
                    .all(|(have, want)| have.name() == want.name() && same_type(have.data_type(), want.data_type()))
        }
        _ => have == want,
    }
}

fn conform(column: &ArrayRef, physical: &Field) -> Result<ArrayRef> {
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
