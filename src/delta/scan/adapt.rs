//! Arrays as a file has them, made into arrays as the table has them: children by name or id in the table's order,
//! missing ones NULL, leaves cast.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, new_null_array},
    buffer::NullBuffer,
    datatypes::{DataType, Field, FieldRef, Fields},
    error::ArrowError,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

use super::cast::Cast;
use crate::delta::schema::ColumnMapping;

/// How a column of a file becomes a column of the table.
#[derive(Debug, Clone)]
pub(super) enum Adapt {
    /// The file has no such column: NULLs.
    Missing,
    /// A column without children.
    Leaf(Cast),
    /// Children in the table's order, each with its name in the file.
    Struct(Vec<(String, Adapt)>),
    /// The elements.
    List(Box<Adapt>),
    /// Keys and values.
    Map(Box<Adapt>, Box<Adapt>),
}

/// Finds the columns of a file by what the table's physical schema calls them.
#[derive(Debug)]
pub(super) struct Resolver {
    mapping: ColumnMapping,
    /// The indexes of the Parquet leaves that the resolved columns are made of.
    pub(super) leaves: Vec<usize>,
}

/// A column whose type in the file cannot become the table's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// Its name, dotted.
    pub(super) column: String,
    /// As the file has it.
    pub(super) file: DataType,
    /// As the table has it.
    pub(super) table: DataType,
}

impl Resolver {
    pub(super) fn new(mapping: ColumnMapping) -> Self {
        Self { mapping, leaves: Vec::new() }
    }

    /// How the field of `file` that `physical` names becomes `logical`, and the field's name.
    pub(super) fn field(
        &mut self,
        logical: &Field,
        physical: &Field,
        file: &Fields,
        first_leaf: usize,
    ) -> Result<(String, Adapt), Mismatch> {
        match find(physical, file, first_leaf, self.mapping) {
            None => Ok((physical.name().clone(), Adapt::Missing)),
            Some((found, leaf)) => Ok((found.name().clone(), self.found(logical, physical, found, leaf)?)),
        }
    }

    /// How a field of the file becomes `logical`; `first_leaf` is the index of the field's first Parquet leaf.
    fn found(&mut self, logical: &Field, physical: &Field, file: &Field, first_leaf: usize) -> Result<Adapt, Mismatch> {
        let nested =
            |mismatch: Mismatch| Mismatch { column: format!("{}.{}", logical.name(), mismatch.column), ..mismatch };
        match (logical.data_type(), physical.data_type(), file.data_type()) {
            (DataType::Struct(logical), DataType::Struct(physical), DataType::Struct(file)) => {
                self.children(logical, physical, file, first_leaf).map(Adapt::Struct).map_err(nested)
            }
            (DataType::List(logical), DataType::List(physical), DataType::List(file)) => {
                let element = self.found(logical, physical, file, first_leaf).map_err(nested)?;
                Ok(Adapt::List(Box::new(element)))
            }
            (DataType::Map(logical, _), DataType::Map(physical, _), DataType::Map(file, _)) => {
                let [logical, physical, file] = [logical, physical, file].map(|entries| entry_fields(entries));
                let key = self.found(&logical[0], &physical[0], &file[0], first_leaf).map_err(nested)?;
                let values = first_leaf + leaf_count(file[0].data_type());
                let value = self.found(&logical[1], &physical[1], &file[1], values).map_err(nested)?;
                Ok(Adapt::Map(Box::new(key), Box::new(value)))
            }
            (table, _, file) => match Cast::between(file, table) {
                Some(cast) if leaf_count(file) == 1 => {
                    self.leaves.push(first_leaf);
                    Ok(Adapt::Leaf(cast))
                }
                _ => Err(Mismatch { column: logical.name().clone(), file: file.clone(), table: table.clone() }),
            },
        }
    }

    fn children(
        &mut self,
        logical: &Fields,
        physical: &Fields,
        file: &Fields,
        first_leaf: usize,
    ) -> Result<Vec<(String, Adapt)>, Mismatch> {
        let before = self.leaves.len();
        let pairs = logical.iter().zip(physical);
        let children = pairs.map(|(logical, physical)| self.field(logical, physical, file, first_leaf)).collect();
        if self.leaves.len() == before {
            self.leaves.push(first_leaf); // without any of its leaves, nobody knows where the struct is NULL
        }
        children
    }
}

/// The field that `physical` names among siblings of a file, and the index of its first leaf.
pub(super) fn find<'f>(
    physical: &Field,
    file: &'f Fields,
    first_leaf: usize,
    mapping: ColumnMapping,
) -> Option<(&'f FieldRef, usize)> {
    let id = physical.metadata().get(PARQUET_FIELD_ID_META_KEY);
    let mut leaf = first_leaf;
    for field in file {
        let is_it = match mapping {
            ColumnMapping::Id => id.is_some() && field.metadata().get(PARQUET_FIELD_ID_META_KEY) == id,
            ColumnMapping::None | ColumnMapping::Name => field.name() == physical.name(),
        };
        if is_it {
            return Some((field, leaf));
        }
        leaf += leaf_count(field.data_type());
    }
    None
}

/// How many Parquet leaves a type that was read from a Parquet schema has.
pub(super) fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields.iter().map(|field| leaf_count(field.data_type())).sum(),
        DataType::List(field) | DataType::Map(field, _) => leaf_count(field.data_type()),
        _ => 1,
    }
}

fn entry_fields(entries: &Field) -> &Fields {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => fields,
        _ => unreachable!("a map's entries are a struct of key and value"),
    }
}

/// A value that could not be kept, and in which column, dotted, below the one that was adapted.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) column: String,
    pub(super) source: ArrowError,
}

impl Adapt {
    /// The array as the table's `field` has it.
    ///
    /// # Errors
    /// If a value cannot be kept, or is NULL where the field allows none.
    pub(super) fn apply(&self, array: &ArrayRef, field: &Field) -> Result<ArrayRef, Lost> {
        self.apply_below(array, field, None)
    }

    /// `outer`: where the struct around the field is NULL. A struct that is never NULL itself comes without NULLs, but
    /// with those below it; told so, Arrow takes the NULLs below for what they are.
    fn apply_below(&self, array: &ArrayRef, field: &Field, outer: Option<&NullBuffer>) -> Result<ArrayRef, Lost> {
        let lost = |source| Lost { column: field.name().clone(), source };
        let nested = |below: Lost| Lost { column: format!("{}.{}", field.name(), below.column), ..below };
        match (self, field.data_type()) {
            (Self::Leaf(cast), table) => cast.apply(Arc::clone(array), table).map_err(lost),
            (Self::Struct(children), DataType::Struct(fields)) => {
                let nulls = array.nulls().or(outer);
                let adapted = struct_columns(children, fields, array.as_struct(), nulls).map_err(nested)?;
                let result = StructArray::try_new_with_length(fields.clone(), adapted, nulls.cloned(), array.len());
                Ok(Arc::new(result.map_err(lost)?))
            }
            (Self::List(element), DataType::List(element_field)) => {
                let list: &ListArray = array.as_list();
                let values = element.apply(list.values(), element_field).map_err(nested)?;
                let offsets = list.offsets().clone();
                let result = ListArray::try_new(Arc::clone(element_field), offsets, values, list.nulls().cloned());
                Ok(Arc::new(result.map_err(lost)?))
            }
            (Self::Map(key, value), DataType::Map(entries, sorted)) => {
                let map: &MapArray = array.as_map();
                let fields = entry_fields(entries);
                let keys = key.apply(map.keys(), &fields[0]).map_err(nested)?;
                let values = value.apply(map.values(), &fields[1]).map_err(nested)?;
                let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None).map_err(lost)?;
                let (entries, offsets) = (Arc::clone(entries), map.offsets().clone());
                let result = MapArray::try_new(entries, offsets, pairs, map.nulls().cloned(), *sorted);
                Ok(Arc::new(result.map_err(lost)?))
            }
            (_, table) => Ok(new_null_array(table, array.len())),
        }
    }
}

fn struct_columns(
    children: &[(String, Adapt)],
    fields: &Fields,
    array: &StructArray,
    nulls: Option<&NullBuffer>,
) -> Result<Vec<ArrayRef>, Lost> {
    let column = |((name, adapt), field): (&(String, Adapt), &FieldRef)| match array.column_by_name(name) {
        Some(column) => adapt.apply_below(column, field, nulls),
        None => Ok(new_null_array(field.data_type(), array.len())),
    };
    children.iter().zip(fields).map(column).collect()
}
