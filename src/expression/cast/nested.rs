//! Casts of lists, arrays, maps and structs, element by element.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Int32Array, ListArray, MapArray, StructArray,
        new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute,
    datatypes::{DataType, Fields},
};

use super::{Cast, Mode, Offer, cast, offer, worst};
use crate::{
    engine::{Error, Result},
    expression::{eval::kernel_failure, types::Type},
};

/// Fields go by name; those that only the target has are NULL, but some name must be shared.
pub(super) fn offer_structs(from: &[(String, Type)], to: &[(String, Type)]) -> Offer {
    let shared = to.iter().filter_map(|(name, to)| find(from, name).map(|(_, from)| offer(from, to)));
    let (count, offer) = shared.fold((0, Offer::Total), |(count, all), one| (count + 1, worst(all, one)));
    let known = from.iter().all(|(name, _)| find(to, name).is_some());
    if count == 0 || !known { Offer::No } else { offer }
}

fn find<'a>(fields: &'a [(String, Type)], name: &str) -> Option<(usize, &'a Type)> {
    fields.iter().position(|(field, _)| field.eq_ignore_ascii_case(name)).map(|index| (index, &fields[index].1))
}

impl Cast<'_> {
    pub(super) fn nested(&self) -> Result<ArrayRef> {
        match (self.from, self.to) {
            (Type::List(from), Type::List(to)) => {
                let lists = self.array.as_list::<i32>();
                let (offsets, items) = visible(lists.offsets(), lists.nulls(), lists.values())?;
                self.list(offsets, cast(&items, from, to, self.mode)?)
            }
            (Type::Array(from, size), Type::List(to)) => {
                let lists = self.array.as_fixed_size_list();
                let items = cast(&visible_array(lists)?, from, to, self.mode)?;
                let size = usize::try_from(*size).unwrap_or(0);
                self.list(OffsetBuffer::from_lengths(std::iter::repeat_n(size, lists.len())), items)
            }
            (Type::Array(from, size), Type::Array(to, _)) => {
                let lists = self.array.as_fixed_size_list();
                let items = cast(&visible_array(lists)?, from, to, self.mode)?;
                let DataType::FixedSizeList(field, _) = self.to.memory() else { return Err(self.refusal()) };
                let array = FixedSizeListArray::try_new(field, *size, items, lists.nulls().cloned());
                Ok(Arc::new(array.map_err(kernel_failure)?))
            }
            (Type::List(from), Type::Array(to, size)) => self.list_to_array(from, to, *size),
            (Type::Map(from_key, from_value), Type::Map(key, value)) => {
                let maps = self.array.as_map();
                let (_, keys) = visible(maps.offsets(), maps.nulls(), maps.keys())?;
                let (offsets, values) = visible(maps.offsets(), maps.nulls(), maps.values())?;
                let keys = cast(&keys, from_key, key, self.mode)?;
                let values = cast(&values, from_value, value, self.mode)?;
                let DataType::Map(entries, ordered) = self.to.memory() else { return Err(self.refusal()) };
                let DataType::Struct(fields) = entries.data_type() else { return Err(self.refusal()) };
                let columns = StructArray::try_new(fields.clone(), vec![keys, values], None).map_err(kernel_failure)?;
                let array = MapArray::try_new(entries, offsets, columns, maps.nulls().cloned(), ordered);
                Ok(Arc::new(array.map_err(kernel_failure)?))
            }
            (Type::Struct(from), Type::Struct(to)) => self.structs(from, to),
            _ => Err(self.refusal()),
        }
    }

    fn list(&self, offsets: OffsetBuffer<i32>, items: ArrayRef) -> Result<ArrayRef> {
        let DataType::List(field) = self.to.memory() else { return Err(self.refusal()) };
        let array = ListArray::try_new(field, offsets, items, self.array.nulls().cloned());
        Ok(Arc::new(array.map_err(kernel_failure)?))
    }

    /// A list of another length than the array's fails.
    fn list_to_array(&self, from: &Type, to: &Type, size: i32) -> Result<ArrayRef> {
        let lists = self.array.as_list::<i32>();
        let mut indices = Vec::with_capacity(lists.len() * usize::try_from(size).unwrap_or(0));
        let mut valid = Vec::with_capacity(lists.len());
        for row in 0..lists.len() {
            let fits = lists.is_valid(row) && lists.value_length(row) == size;
            if lists.is_valid(row) && !fits && self.mode == Mode::Strict {
                return Err(self.failure(row));
            }
            let start = lists.value_offsets()[row];
            indices.extend((0..size).map(|index| fits.then_some(start + index)));
            valid.push(fits);
        }
        let indices = Int32Array::from(indices);
        let taken = compute::take(lists.values(), &indices, None).map_err(kernel_failure)?;
        let items = cast(&taken, from, to, self.mode)?;
        let DataType::FixedSizeList(field, size) = self.to.memory() else { return Err(self.refusal()) };
        let array = FixedSizeListArray::try_new(field, size, items, Some(valid.into()));
        Ok(Arc::new(array.map_err(kernel_failure)?))
    }

    fn structs(&self, from: &[(String, Type)], to: &[(String, Type)]) -> Result<ArrayRef> {
        let structs = self.array.as_struct();
        let columns = to.iter().map(|(name, ty)| match find(from, name) {
            // A field under a NULL struct is not looked at: it may hold what cannot be cast.
            Some((index, from)) => {
                let column = structs.column(index);
                let masked = match structs.nulls() {
                    Some(nulls) => {
                        compute::nullif(column, &BooleanArray::new(!nulls.inner(), None)).map_err(kernel_failure)?
                    }
                    None => column.clone(),
                };
                cast(&masked, from, ty, self.mode)
            }
            None => Ok(new_null_array(&ty.memory(), structs.len())),
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let DataType::Struct(fields) = self.to.memory() else { return Err(self.refusal()) };
        Ok(Arc::new(struct_array(fields, columns, structs)?))
    }

    fn refusal(&self) -> Error {
        Error::Unsupported(format!("a cast from {} to {} is not offered in expressions", self.from, self.to))
    }
}

/// The items that rows show, and where they lie: an item outside or under NULL may hold what cannot be cast.
fn visible(
    offsets: &OffsetBuffer<i32>,
    nulls: Option<&NullBuffer>,
    items: &ArrayRef,
) -> Result<(OffsetBuffer<i32>, ArrayRef)> {
    let shown = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    let rows = offsets.len() - 1;
    let hides = (0..rows).any(|row| !shown(row) && offsets[row] != offsets[row + 1]);
    if !hides {
        let (start, end) = (offsets[0], offsets[rows]);
        // Offsets are ascending and not negative.
        let items = items.slice(start as usize, (end - start) as usize);
        let lengths = offsets.windows(2).map(|pair| (pair[1] - pair[0]) as usize);
        return Ok((OffsetBuffer::from_lengths(lengths), items));
    }
    let lengths = (0..rows).map(|row| if shown(row) { (offsets[row + 1] - offsets[row]) as usize } else { 0 });
    let places = (0..rows).filter(|row| shown(*row)).flat_map(|row| offsets[row]..offsets[row + 1]);
    let places: Int32Array = places.collect();
    let items = compute::take(items, &places, None).map_err(kernel_failure)?;
    Ok((OffsetBuffer::from_lengths(lengths), items))
}

/// The items of arrays, NULL under NULL.
fn visible_array(lists: &FixedSizeListArray) -> Result<ArrayRef> {
    let Some(nulls) = lists.nulls() else { return Ok(lists.values().clone()) };
    let size = usize::try_from(lists.value_length()).unwrap_or(0);
    let hidden = (0..lists.len() * size).map(|item| Some(nulls.is_null(item / size)));
    compute::nullif(lists.values(), &hidden.collect::<BooleanArray>()).map_err(kernel_failure)
}

fn struct_array(fields: Fields, columns: Vec<ArrayRef>, like: &StructArray) -> Result<StructArray> {
    StructArray::try_new_with_length(fields, columns, like.nulls().cloned(), like.len()).map_err(kernel_failure)
}
