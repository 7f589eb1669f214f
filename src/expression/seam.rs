//! Between the seam's arrays and those of an evaluation.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Decimal128Array, Decimal256Array, FixedSizeBinaryBuilder, FixedSizeListArray,
        ListArray, MapArray, StructArray, new_null_array,
    },
    compute,
    datatypes::{DataType, Decimal128Type, Decimal256Type, Field, i256},
};

use super::types::Type;
use crate::engine::{Error, Result};

/// A column of the seam in memory form.
pub(super) fn adopt(array: &ArrayRef, ty: &Type) -> Result<ArrayRef> {
    Ok(match ty {
        Type::Null => new_null_array(&ty.memory(), array.len()),
        Type::HugeInt => {
            let values = array.as_fixed_size_binary_opt().ok_or_else(|| unexpected(array, ty))?;
            let values = values.iter().map(|bytes| bytes.map(|bytes| i128::from_le_bytes(sixteen(bytes))));
            Arc::new(values.collect::<Decimal128Array>().with_data_type(ty.memory()))
        }
        Type::UHugeInt => {
            let values = array.as_fixed_size_binary_opt().ok_or_else(|| unexpected(array, ty))?;
            let values =
                values.iter().map(|bytes| bytes.map(|bytes| i256::from_parts(u128::from_le_bytes(sixteen(bytes)), 0)));
            Arc::new(values.collect::<Decimal256Array>().with_data_type(ty.memory()))
        }
        Type::List(item) => {
            let lists = array.as_list_opt::<i32>().ok_or_else(|| unexpected(array, ty))?;
            let DataType::List(field) = ty.memory() else { return Err(unexpected(array, ty)) };
            let items = adopt(lists.values(), item)?;
            Arc::new(ListArray::try_new(field, lists.offsets().clone(), items, lists.nulls().cloned()).map_err(misfit)?)
        }
        Type::Array(item, size) => {
            let lists = array.as_fixed_size_list_opt().ok_or_else(|| unexpected(array, ty))?;
            let DataType::FixedSizeList(field, _) = ty.memory() else { return Err(unexpected(array, ty)) };
            let items = adopt(lists.values(), item)?;
            Arc::new(FixedSizeListArray::try_new(field, *size, items, lists.nulls().cloned()).map_err(misfit)?)
        }
        Type::Map(key, value) => {
            let maps = array.as_map_opt().ok_or_else(|| unexpected(array, ty))?;
            let columns = vec![adopt(maps.keys(), key)?, adopt(maps.values(), value)?];
            map(maps, &ty.memory(), columns)?
        }
        Type::Struct(fields) => {
            let structs = array.as_struct_opt().filter(|structs| structs.num_columns() == fields.len());
            let structs = structs.ok_or_else(|| unexpected(array, ty))?;
            let columns = structs.columns().iter().zip(fields).map(|(column, (_, ty))| adopt(column, ty));
            structure(structs, &ty.memory(), columns.collect::<Result<_>>()?)?
        }
        _ if *array.data_type() == ty.memory() => array.clone(),
        // The time zone may have another name.
        _ => compute::cast(array, &ty.memory()).map_err(|_| unexpected(array, ty))?,
    })
}

/// Values in memory form as those of a column.
pub(super) fn release(array: &ArrayRef, ty: &Type, field: &Field) -> Result<ArrayRef> {
    Ok(match (ty, field.data_type()) {
        (Type::HugeInt, _) => {
            let values = array.as_primitive::<Decimal128Type>().iter();
            bytes(values.map(|value| value.map(i128::to_le_bytes)))?
        }
        (Type::UHugeInt, _) => {
            let values = array.as_primitive::<Decimal256Type>().iter();
            bytes(values.map(|value| value.map(|value| value.to_parts().0.to_le_bytes())))?
        }
        (Type::List(item), DataType::List(to)) => {
            let lists = array.as_list::<i32>();
            let items = release(lists.values(), item, to)?;
            let lists = ListArray::try_new(to.clone(), lists.offsets().clone(), items, lists.nulls().cloned());
            Arc::new(lists.map_err(misfit)?)
        }
        (Type::Array(item, size), DataType::FixedSizeList(to, _)) => {
            let lists = array.as_fixed_size_list();
            let items = release(lists.values(), item, to)?;
            let lists = FixedSizeListArray::try_new(to.clone(), *size, items, lists.nulls().cloned());
            Arc::new(lists.map_err(misfit)?)
        }
        (Type::Map(key, value), to @ DataType::Map(entries, _)) => {
            let DataType::Struct(fields) = entries.data_type() else { return Err(unexpected(array, ty)) };
            let maps = array.as_map();
            map(maps, to, vec![release(maps.keys(), key, &fields[0])?, release(maps.values(), value, &fields[1])?])?
        }
        (Type::Struct(from), to @ DataType::Struct(fields)) => {
            let structs = array.as_struct();
            let columns = structs.columns().iter().zip(from).zip(fields);
            let columns = columns.map(|((column, (_, ty)), field)| release(column, ty, field));
            structure(structs, to, columns.collect::<Result<_>>()?)?
        }
        (_, to) if array.data_type() == to => array.clone(),
        (_, to) => compute::cast(array, to).map_err(|_| unexpected(array, ty))?,
    })
}

fn map(maps: &MapArray, to: &DataType, columns: Vec<ArrayRef>) -> Result<ArrayRef> {
    let DataType::Map(entries, ordered) = to else { return Err(misfit("no map")) };
    let DataType::Struct(fields) = entries.data_type() else { return Err(misfit("no entries")) };
    let rows = StructArray::try_new(fields.clone(), columns, None).map_err(misfit)?;
    let maps = MapArray::try_new(entries.clone(), maps.offsets().clone(), rows, maps.nulls().cloned(), *ordered);
    Ok(Arc::new(maps.map_err(misfit)?))
}

fn structure(structs: &StructArray, to: &DataType, columns: Vec<ArrayRef>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = to else { return Err(misfit("no struct")) };
    let structs = StructArray::try_new_with_length(fields.clone(), columns, structs.nulls().cloned(), structs.len());
    Ok(Arc::new(structs.map_err(misfit)?))
}

fn bytes(values: impl Iterator<Item = Option<[u8; 16]>>) -> Result<ArrayRef> {
    let mut array = FixedSizeBinaryBuilder::with_capacity(values.size_hint().0, 16);
    for value in values {
        match value {
            Some(value) => array.append_value(value).map_err(misfit)?,
            None => array.append_null(),
        }
    }
    Ok(Arc::new(array.finish()))
}

/// The bytes of a value of width 16.
fn sixteen(bytes: &[u8]) -> [u8; 16] {
    bytes.try_into().unwrap_or_default()
}

fn unexpected(array: &ArrayRef, ty: &Type) -> Error {
    Error::InvalidArgument(format!("an expression over {ty} was given values of type {}", array.data_type()))
}

/// NULL where a nested field must not be.
fn misfit(error: impl std::fmt::Display) -> Error {
    Error::InvalidArgument(format!("the value of an expression does not fit its column: {error}"))
}
